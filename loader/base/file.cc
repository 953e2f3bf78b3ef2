#include "loader/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

constexpr size_t kMaxPathInMessageBytes = 1024;
constexpr uint64_t kMaxFileBytes = std::numeric_limits<int64_t>::max();

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::StatusCode::kNotFound;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::StatusCode::kResourceExhausted;
    case EIO:
      return absl::StatusCode::kDataLoss;
    case ENAMETOOLONG:
    case ELOOP:
    case EISDIR:
      return absl::StatusCode::kInvalidArgument;
    default:
      return absl::StatusCode::kInternal;
  }
}

int OpenRetrying(const std::string& path, int flags, mode_t mode) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

int64_t Nanoseconds(const struct timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::string QuotedPath(const std::string& path) { return Quoted(path, kMaxPathInMessageBytes); }

}  // namespace

absl::Status ErrnoStatus(int error, const std::string& what) {
  std::array<char, 256> buffer{};
  // GNU's strerror_r: strerror itself is not thread-safe.
  const char* text = ::strerror_r(error, buffer.data(), buffer.size());
  return absl::Status(CodeOf(error), absl::StrCat(what, ": ", text));
}

// O_NONBLOCK: opening a FIFO that nobody writes must not wait. It means nothing to regular files.
const int File::kReadFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY;

absl::StatusOr<File> File::OpenForRead(const std::string& path) {
  // A path cannot hold a NUL: the system would open what stands before it.
  if (path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("cannot open ", QuotedPath(path), ": a NUL"));
  }
  const int fd = OpenRetrying(path, kReadFlags, 0);
  if (fd < 0) return ErrnoStatus(errno, absl::StrCat("cannot open ", QuotedPath(path)));
  return FromDescriptor(Descriptor(fd), path);
}

absl::StatusOr<File> File::FromDescriptor(Descriptor descriptor, const std::string& path) {
  File file(descriptor.Release(), path);
  struct stat stat {};
  if (::fstat(file.fd_, &stat) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot look at ", QuotedPath(path)));
  }
  if (!S_ISREG(stat.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(QuotedPath(path), " is not a regular file"));
  }
  return file;
}

absl::StatusOr<File> File::CreateForWrite(const std::string& path) {
  if (path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("cannot create ", QuotedPath(path), ": a NUL"));
  }
  const int fd = OpenRetrying(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
  if (fd < 0) return ErrnoStatus(errno, absl::StrCat("cannot create ", QuotedPath(path)));
  return File(fd, path);
}

File::File(File&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  // The other closes what this one held.
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

File::~File() {
  // An error of close is no news: what had to last was synced, and the descriptor is gone anyway.
  if (fd_ >= 0) ::close(fd_);
}

absl::StatusOr<FileIdentity> File::Identity() const {
  struct stat stat {};
  if (::fstat(fd_, &stat) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot look at ", QuotedPath(path_)));
  }
  FileIdentity identity;
  identity.device = stat.st_dev;
  identity.inode = stat.st_ino;
  identity.size_bytes = static_cast<uint64_t>(stat.st_size);
  identity.modified_ns = Nanoseconds(stat.st_mtim);
  identity.changed_ns = Nanoseconds(stat.st_ctim);
  return identity;
}

absl::StatusOr<uint64_t> File::SizeBytes() const {
  ECF8_ASSIGN_OR_RETURN(const FileIdentity identity, Identity());
  return identity.size_bytes;
}

absl::Status File::ReadAt(uint64_t offset_bytes, absl::Span<uint8_t> out) const {
  const auto ends_early = [&](uint64_t at) {
    return absl::DataLossError(absl::StrCat(QuotedPath(path_), " ends at offset ", at,
                                            ", within the ", out.size(), " bytes to be read from ",
                                            offset_bytes));
  };
  if (offset_bytes > kMaxFileBytes || out.size() > kMaxFileBytes - offset_bytes) {
    ECF8_ASSIGN_OR_RETURN(const uint64_t size_bytes, SizeBytes());
    return ends_early(size_bytes);
  }
  size_t done = 0;
  while (done < out.size()) {
    const uint64_t at = offset_bytes + done;
    const ssize_t count =
        ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(at));
    if (count < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, absl::StrCat("cannot read ", QuotedPath(path_), " at offset ", at));
    }
    if (count == 0) return ends_early(at);
    done += static_cast<size_t>(count);
  }
  return absl::OkStatus();
}

absl::Status File::WriteAt(uint64_t offset_bytes, absl::Span<const uint8_t> bytes) {
  const auto cannot_write = [&](int error, uint64_t at) {
    return ErrnoStatus(error, absl::StrCat("cannot write ", QuotedPath(path_), " at offset ", at));
  };
  if (offset_bytes > kMaxFileBytes || bytes.size() > kMaxFileBytes - offset_bytes) {
    return cannot_write(EFBIG, offset_bytes);
  }
  size_t done = 0;
  while (done < bytes.size()) {
    const uint64_t at = offset_bytes + done;
    const ssize_t count =
        ::pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(at));
    if (count < 0) {
      if (errno == EINTR) continue;
      return cannot_write(errno, at);
    }
    // POSIX lets a write of more than 0 bytes return 0; to try on would be to spin.
    if (count == 0) return cannot_write(ENOSPC, at);
    done += static_cast<size_t>(count);
  }
  return absl::OkStatus();
}

absl::Status File::Sync() {
  int result = -1;
  do {
    result = ::fsync(fd_);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return ErrnoStatus(errno, absl::StrCat("cannot sync ", QuotedPath(path_)));
  return absl::OkStatus();
}

}  // namespace ecf8
