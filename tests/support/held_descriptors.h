// A descriptor store in this process: what one engine has put there, the next one finds.
#ifndef ECF8_TESTS_SUPPORT_HELD_DESCRIPTORS_H_
#define ECF8_TESTS_SUPPORT_HELD_DESCRIPTORS_H_

#include <fcntl.h>

#include <map>
#include <string>

#include "loader/base/descriptor_store.h"

namespace ecf8::testing {

class HeldDescriptors final : public DescriptorStore {
 public:
  Descriptor Take(const std::string& name) override {
    const auto found = held_.find(name);
    if (found == held_.end()) return {};
    return Descriptor(::fcntl(found->second.get(), F_DUPFD_CLOEXEC, 0));
  }
  absl::Status Put(const std::string& name, const Descriptor& descriptor) override {
    if (!put_status.ok()) return put_status;
    if (held_.contains(name)) return absl::AlreadyExistsError(name);
    held_[name] = Descriptor(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, 0));
    return absl::OkStatus();
  }
  void Remove(const std::string& name) override { held_.erase(name); }

  bool holds(const std::string& name) const { return held_.contains(name); }
  size_t size() const { return held_.size(); }
  // Of a file that is held.
  int fd(const std::string& name) const { return held_.at(name).get(); }

  absl::Status put_status;

 private:
  std::map<std::string, Descriptor> held_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_HELD_DESCRIPTORS_H_
