// Opening what lies below a directory, and nothing else: for names that strangers give.
#ifndef ECF8_LOADER_BASE_BENEATH_H_
#define ECF8_LOADER_BASE_BENEATH_H_

#include <string>

#include "absl/status/statusor.h"
#include "loader/base/descriptor.h"

namespace ecf8 {

// `directory`, following links, with O_PATH. The errors of ErrnoStatus.
absl::StatusOr<Descriptor> OpenDirectory(const std::string& directory);

// `relative`, below the open directory `root`, with open(2)'s `flags`. The kernel sees to it that
// neither "..", an absolute path, a link nor a rename meanwhile leads out of `root`:
// PERMISSION_DENIED then. Errors name `relative`, no other path. UNIMPLEMENTED where the kernel
// cannot (Linux before 5.6).
absl::StatusOr<Descriptor> OpenBeneath(const Descriptor& root, const std::string& relative,
                                       int flags);

// A path by which this process opens again what `fd` has open, whatever has become of its name.
std::string ReopenPath(int fd);

}  // namespace ecf8

#endif  // ECF8_LOADER_BASE_BENEATH_H_
