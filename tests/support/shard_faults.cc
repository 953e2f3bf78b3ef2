#include "tests/support/shard_faults.h"

#include <cerrno>
#include <filesystem>

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
  MutexLock lock(mutex_);
  if (fd >= 0) shards_[fd] = std::filesystem::path(path).filename().string();
  return fd;
}

int64_t ShardFaults::Read(int fd, absl::Span<uint8_t> memory, uint64_t offset_bytes) {
  {
    MutexLock lock(mutex_);
    held_ += holding_ ? 1 : 0;
    while (holding_) let_go_.Wait(lock);
    if (!failing_.empty() && shards_.at(fd) == failing_) return -EIO;
  }
  return ReadCalls::Read(fd, memory, offset_bytes);
}

}  // namespace ecf8::testing
