// Where descriptors wait while this program is restarted.
#ifndef ECF8_LOADER_BASE_DESCRIPTOR_STORE_H_
#define ECF8_LOADER_BASE_DESCRIPTOR_STORE_H_

#include <string>

#include "absl/status/status.h"
#include "loader/base/descriptor.h"

namespace ecf8 {

// Thread-compatible.
class DescriptorStore {
 public:
  virtual ~DescriptorStore() = default;

  // What an earlier process has put there under the name, once; of nothing where there is none. It
  // stays in the store.
  virtual Descriptor Take(const std::string& name) = 0;

  // Keeps another descriptor of the same file, under a name that the store does not hold, until it
  // is removed, however this process ends. Whether the store has taken it nobody can tell.
  virtual absl::Status Put(const std::string& name, const Descriptor& descriptor) = 0;

  // Nothing where there is none.
  virtual void Remove(const std::string& name) = 0;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_BASE_DESCRIPTOR_STORE_H_
