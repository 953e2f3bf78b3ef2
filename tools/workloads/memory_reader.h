// What a client does at least with the weights of a token: read each of them once.
#ifndef ECF8_TOOLS_WORKLOADS_MEMORY_READER_H_
#define ECF8_TOOLS_WORKLOADS_MEMORY_READER_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "loader/base/mutex.h"
#include "loader/base/worker_pool.h"

namespace ecf8 {

// Thread-compatible.
class MemoryReader {
 public:
  // `threads` of 0: one a core.
  explicit MemoryReader(int threads = 0);

  // Reads all of the bytes, on all threads at once, as fast as the memory gives them. Returns a sum
  // that depends on each of them.
  uint64_t Read(absl::Span<const uint8_t> bytes);

 private:
  void Finish(absl::Span<const uint8_t> part);

  const size_t threads_;
  Mutex mutex_;
  CondVar done_;
  size_t missing_ ABSL_GUARDED_BY(mutex_) = 0;  // parts of the read at hand
  uint64_t sum_ ABSL_GUARDED_BY(mutex_) = 0;
  WorkerPool pool_;  // all threads but the caller's
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_WORKLOADS_MEMORY_READER_H_
