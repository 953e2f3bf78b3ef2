#include "loader/base/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

// The kernel says "again" where somebody renames directories on the way.
constexpr int kTries = 32;

}  // namespace

absl::StatusOr<Descriptor> OpenDirectory(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, absl::StrCat("cannot open ", Quoted(directory)));
  return Descriptor(fd);
}

absl::StatusOr<Descriptor> OpenBeneath(const Descriptor& root, const std::string& relative,
                                       int flags) {
  if (relative.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("cannot open ", Quoted(relative), ": a NUL"));
  }
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  long fd = -1;
  for (int i = 0; i < kTries && fd < 0; ++i) {
    fd = ::syscall(SYS_openat2, root.get(), relative.c_str(), &how, sizeof(how));
    if (fd < 0 && errno != EAGAIN && errno != EINTR) break;
  }
  if (fd >= 0) return Descriptor(static_cast<int>(fd));
  const std::string what = absl::StrCat("cannot open ", Quoted(relative));
  if (errno == EXDEV || errno == ELOOP) {
    return absl::PermissionDeniedError(absl::StrCat(what, ": it leads out of its directory"));
  }
  if (errno == ENOSYS) {
    return absl::UnimplementedError(absl::StrCat(what, ": the kernel has no openat2"));
  }
  return ErrnoStatus(errno, what);
}

std::string ReopenPath(int fd) { return absl::StrCat("/proc/self/fd/", fd); }

}  // namespace ecf8
