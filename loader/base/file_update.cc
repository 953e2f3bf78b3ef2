#include "loader/base/file_update.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/base/descriptor.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

constexpr size_t kMaxPathInMessageBytes = 1024;

std::string QuotedPath(const std::string& path) { return Quoted(path, kMaxPathInMessageBytes); }

}  // namespace

absl::StatusOr<File> OpenForUpdate(const std::string& path) {
  if (path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("cannot open ", QuotedPath(path), ": a NUL"));
  }
  constexpr int kFlags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  int fd = -1;
  do {
    fd = ::open(path.c_str(), kFlags, 0644);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return ErrnoStatus(errno, absl::StrCat("cannot open ", QuotedPath(path)));
  return File::FromDescriptor(Descriptor(fd), path);
}

absl::Status ResizeFile(const File& file, uint64_t size_bytes) {
  int error = EFBIG;
  if (size_bytes <= uint64_t{std::numeric_limits<int64_t>::max()}) {
    do {
      error = ::ftruncate(file.fd(), static_cast<off_t>(size_bytes)) == 0 ? 0 : errno;
    } while (error == EINTR);
  }
  if (error == 0) return absl::OkStatus();
  return ErrnoStatus(
      error, absl::StrCat("cannot make ", QuotedPath(file.path()), " ", size_bytes, " bytes long"));
}

}  // namespace ecf8
