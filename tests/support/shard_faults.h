// A disk whose shards fail and wait on command, for engines in tests: BlockReaderOptions::calls.
#ifndef ECF8_TESTS_SUPPORT_SHARD_FAULTS_H_
#define ECF8_TESTS_SUPPORT_SHARD_FAULTS_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "loader/base/mutex.h"
#include "loader/io/read_calls.h"

namespace ecf8::testing {

// Knows reads by their file, so for readers that call pread (BlockReaderBackend::kThreads).
class ShardFaults final : public ReadCalls {
 public:
  // Every read of the shard with this file name fails with EIO, until another is named, or none.
  void Fail(const std::string& shard);
  void Mend() { Fail(""); }

  // Reads wait, those that come and those that are retried, until LetGo. Not for ever: a test that
  // has failed meanwhile must come to its end, which waits for the reads.
  void Hold();
  void LetGo();

  // How often Hold has made a read wait.
  uint64_t held() const;

  int Open(const char* path, int flags) override;
  int64_t Read(int fd, absl::Span<uint8_t> memory, uint64_t offset_bytes) override;

 private:
  static constexpr std::chrono::seconds kLongestHold{100};

  mutable Mutex mutex_;
  CondVar let_go_;
  std::map<int, std::string> shards_ ABSL_GUARDED_BY(mutex_);  // by descriptor
  std::string failing_ ABSL_GUARDED_BY(mutex_);
  bool holding_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t held_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_SHARD_FAULTS_H_
