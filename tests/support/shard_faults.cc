#include "tests/support/shard_faults.h"

#include <cerrno>
#include <filesystem>

#include "loader/base/beneath.h"

namespace ecf8::testing {

void ShardFaults::Fail(const std::string& shard) {
  MutexLock lock(mutex_);
  failing_ = shard;
}

void ShardFaults::Hold() {
  MutexLock lock(mutex_);
  holding_ = true;
}

void ShardFaults::LetGo() {
  MutexLock lock(mutex_);
  holding_ = false;
  let_go_.NotifyAll();
}

uint64_t ShardFaults::held() const {
  MutexLock lock(mutex_);
  return held_;
}

int ShardFaults::Open(const char* path, int flags) {
  const int fd = ReadCalls::Open(path, flags);
  if (fd < 0) return fd;
  // `path` need not be the file's own.
  const std::string opened = std::filesystem::read_symlink(ReopenPath(fd)).filename().string();
  MutexLock lock(mutex_);
  shards_[fd] = opened;
  return fd;
}

int64_t ShardFaults::Read(int fd, absl::Span<uint8_t> memory, uint64_t offset_bytes) {
  {
    MutexLock lock(mutex_);
    held_ += holding_ ? 1 : 0;
    const auto deadline = std::chrono::steady_clock::now() + kLongestHold;
    while (holding_ && let_go_.WaitUntil(lock, deadline)) {
    }
    if (!failing_.empty() && shards_.at(fd) == failing_) return -EIO;
  }
  return ReadCalls::Read(fd, memory, offset_bytes);
}

}  // namespace ecf8::testing
