// What a reader counts for its info(). Thread-safe; the figures of one moment need not agree.
#ifndef ECF8_LOADER_IO_READ_COUNTERS_H_
#define ECF8_LOADER_IO_READ_COUNTERS_H_

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "loader/io/block_reader.h"

namespace ecf8 {

class ReadCounters {
 public:
  void CountRetry() { retries_.fetch_add(1, std::memory_order_relaxed); }

  void CountDone(const absl::Status& status, uint32_t size_bytes) {
    if (status.ok()) {
      reads_done_.fetch_add(1, std::memory_order_relaxed);
      bytes_read_.fetch_add(size_bytes, std::memory_order_relaxed);
    } else {
      reads_failed_.fetch_add(1, std::memory_order_relaxed);
    }
  }

  void CopyTo(BlockReaderInfo& info) const {
    info.reads_done = reads_done_.load(std::memory_order_relaxed);
    info.bytes_read = bytes_read_.load(std::memory_order_relaxed);
    info.reads_failed = reads_failed_.load(std::memory_order_relaxed);
    info.retries = retries_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<uint64_t> reads_done_ = 0;
  std::atomic<uint64_t> bytes_read_ = 0;
  std::atomic<uint64_t> reads_failed_ = 0;
  std::atomic<uint64_t> retries_ = 0;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_IO_READ_COUNTERS_H_
