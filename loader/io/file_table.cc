#include "loader/io/file_table.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"
#include "loader/io/block_reader.h"

namespace ecf8 {
namespace {

// O_NONBLOCK: opening a FIFO that nobody writes must not wait.
constexpr int kOpenFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY;

int OpenRetrying(const std::string& path, int flags, ReadCalls& calls) {
  int fd = -1;
  do {
    fd = calls.Open(path.c_str(), flags);
  } while (fd == -EINTR);
  return fd;
}

// Whether a file that was opened with O_DIRECT is read past the page cache. tmpfs has nothing but
// that cache and ignores the flag since Linux 6.6; some file systems take the flag and then refuse
// the reads.
bool ReadsDirect(int fd, ReadCalls& calls) {
  struct statfs system {};
  if (::fstatfs(fd, &system) == 0 && system.f_type == TMPFS_MAGIC) return false;
  struct alignas(kBlockBytes) Block {
    std::array<uint8_t, kBlockBytes> bytes;
  } block;
  return calls.Read(fd, absl::MakeSpan(block.bytes), 0) != -EINVAL;
}

}  // namespace

absl::StatusOr<std::unique_ptr<BlockFile>> BlockFile::Open(const std::string& path,
                                                           std::string_view name, bool direct_io,
                                                           ReadCalls& calls) {
  const std::string quoted = Quoted(name);
  if (path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("cannot open ", quoted, ": a NUL in its path"));
  }
  int fd = -EINVAL;
  if (direct_io) fd = OpenRetrying(path, kOpenFlags | O_DIRECT, calls);
  bool direct = fd >= 0;
  if (fd == -EINVAL) fd = OpenRetrying(path, kOpenFlags, calls);
  if (fd < 0) return ErrnoStatus(-fd, absl::StrCat("cannot open ", quoted));

  std::unique_ptr<BlockFile> file(new BlockFile(fd, name));  // its constructor is private
  struct stat stat {};
  if (::fstat(fd, &stat) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot look at ", quoted));
  }
  if (!S_ISREG(stat.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(quoted, " is not a regular file"));
  }
  direct = direct && ReadsDirect(fd, calls);
  // Without O_NONBLOCK: with it io_uring would answer EAGAIN where a read has to wait.
  if (::fcntl(fd, F_SETFL, direct ? O_DIRECT : 0) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot open ", quoted));
  }
  file->direct_ = direct;
  return file;
}

BlockFile::~BlockFile() { ::close(fd_); }

absl::StatusOr<uint32_t> FileTable::Add(const std::string& path, std::string_view name) {
  absl::StatusOr<std::unique_ptr<BlockFile>> file = BlockFile::Open(path, name, direct_io_, calls_);
  if (!file.ok()) return std::move(file).status();
  MutexLock lock(mutex_);
  auto place = std::find(files_.begin(), files_.end(), nullptr);
  if (place == files_.end()) {
    if (files_.size() == kMaxOpenFiles) {
      return absl::ResourceExhaustedError(
          absl::StrCat("cannot open ", Quoted(name), ": ", kMaxOpenFiles, " files are open"));
    }
    place = files_.insert(files_.end(), nullptr);
  }
  *place = *std::move(file);
  return static_cast<uint32_t>(place - files_.begin());
}

const BlockFile& FileTable::Get(uint32_t file) const {
  MutexLock lock(mutex_);
  assert(file < files_.size() && files_[file] != nullptr);
  return *files_[file];
}

void FileTable::Remove(uint32_t file) {
  std::unique_ptr<BlockFile> closed;
  MutexLock lock(mutex_);
  assert(file < files_.size() && files_[file] != nullptr);
  closed = std::move(files_[file]);
}

uint32_t FileTable::Count(bool direct) const {
  MutexLock lock(mutex_);
  return static_cast<uint32_t>(std::count_if(files_.begin(), files_.end(), [&](const auto& file) {
    return file != nullptr && file->direct() == direct;
  }));
}

}  // namespace ecf8
