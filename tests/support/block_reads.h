// What tests of block readers share: memory on blocks, bytes that tell their place, a sink that
// keeps what it was told.
#ifndef ECF8_TESTS_SUPPORT_BLOCK_READS_H_
#define ECF8_TESTS_SUPPORT_BLOCK_READS_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "loader/base/mutex.h"
#include "loader/io/block_reader.h"

namespace ecf8::testing {

// Memory on kBlockBytes, with a block on both sides that nothing may write.
class BlockMemory {
 public:
  // Rounded up to blocks.
  explicit BlockMemory(uint64_t size_bytes)
      : size_bytes_((size_bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes),
        bytes_(static_cast<uint8_t*>(
            std::aligned_alloc(kBlockBytes, size_bytes_ + uint64_t{2} * kBlockBytes))) {
    std::fill_n(bytes_.get(), size_bytes_ + uint64_t{2} * kBlockBytes, kUntouched);
  }

  uint8_t* data() const { return bytes_.get() + kBlockBytes; }
  absl::Span<uint8_t> span() const { return {data(), size_bytes_}; }
  std::string_view text(uint64_t size_bytes) const {
    return {reinterpret_cast<const char*>(data()), size_bytes};
  }
  bool SidesAreUntouched() const {
    const auto untouched = [](uint8_t byte) { return byte == kUntouched; };
    return std::all_of(bytes_.get(), data(), untouched) &&
           std::all_of(data() + size_bytes_, data() + size_bytes_ + kBlockBytes, untouched);
  }

 private:
  static constexpr uint8_t kUntouched = 0xC3;
  struct Free {
    void operator()(uint8_t* bytes) const { std::free(bytes); }
  };

  uint64_t size_bytes_;
  std::unique_ptr<uint8_t, Free> bytes_;
};

// Bytes in which no two blocks are alike, nor those of two seeds.
inline std::string PlacedBytes(uint64_t size_bytes, uint64_t seed) {
  std::string bytes(size_bytes, '\0');
  uint64_t state = seed * 0x9E3779B97F4A7C15 + 1;
  for (char& byte : bytes) {
    state = state * 6364136223846793005 + 1442695040888963407;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

// Thread-safe.
class CollectingSink : public BlockReadSink {
 public:
  void OnReadsDone(absl::Span<const BlockReadDone> done) override {
    MutexLock lock(mutex_);
    for (const BlockReadDone& read : done) done_[read.tag].push_back(read.status);
    count_ += done.size();
    changed_.NotifyAll();
  }

  uint64_t count() const {
    MutexLock lock(mutex_);
    return count_;
  }

  // False where a minute passes without.
  bool WaitForCount(uint64_t count) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    MutexLock lock(mutex_);
    while (count_ < count) {
      if (!changed_.WaitUntil(lock, deadline)) return false;
    }
    return true;
  }

  // The one status of `tag`; INTERNAL where there are none or several.
  absl::Status StatusOf(uint64_t tag) const {
    MutexLock lock(mutex_);
    const auto found = done_.find(tag);
    if (found == done_.end()) return absl::InternalError("no completion");
    if (found->second.size() != 1) return absl::InternalError("several completions");
    return found->second[0];
  }

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  uint64_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, std::vector<absl::Status>> done_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_BLOCK_READS_H_
