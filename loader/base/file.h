// A file descriptor that closes itself, with exact reads and writes.
//
// Every error is a Status that names the file as it was opened and, for reads and writes, the
// offset: NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, RESOURCE_EXHAUSTED (disk, quota,
// descriptors, memory), DATA_LOSS (EIO, or an end of file before the last byte), INVALID_ARGUMENT
// (a path that cannot be one), else INTERNAL. Interrupted calls are resumed.
#ifndef ECF8_LOADER_BASE_FILE_H_
#define ECF8_LOADER_BASE_FILE_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/base/descriptor.h"

namespace ecf8 {

// What tells one state of a file from another; compared to notice a file that changes while it is
// read.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;

  bool operator==(const FileIdentity&) const = default;
};

// Thread-safe after opening: ReadAt and WriteAt do not move a file position.
class File {
 public:
  // Only regular files are opened (a FIFO would block, a directory has no bytes): INVALID_ARGUMENT
  // else.
  static absl::StatusOr<File> OpenForRead(const std::string& path);

  // The same of a descriptor that was opened with kReadFlags, which is the file's from here on.
  // `path` stands for it in messages.
  static absl::StatusOr<File> FromDescriptor(Descriptor descriptor, const std::string& path);
  static const int kReadFlags;

  // ALREADY_EXISTS where `path` exists. Mode 0644 less the umask.
  static absl::StatusOr<File> CreateForWrite(const std::string& path);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File();

  const std::string& path() const { return path_; }
  int fd() const { return fd_; }

  absl::StatusOr<FileIdentity> Identity() const;
  absl::StatusOr<uint64_t> SizeBytes() const;

  // Fills `out` from `offset_bytes`; DATA_LOSS when the file ends before.
  absl::Status ReadAt(uint64_t offset_bytes, absl::Span<uint8_t> out) const;

  absl::Status WriteAt(uint64_t offset_bytes, absl::Span<const uint8_t> bytes);

  // fsync: what was written survives a crash of the machine.
  absl::Status Sync();

 private:
  File(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  int fd_ = -1;
  std::string path_;
};

// A Status for `error` (an errno), its code as above: "<what>: No such file or directory".
absl::Status ErrnoStatus(int error, const std::string& what);

}  // namespace ecf8

#endif  // ECF8_LOADER_BASE_FILE_H_
