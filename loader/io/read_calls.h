// What the readers ask of the system, in one place, so that tests can make it fail.
#ifndef ECF8_LOADER_IO_READ_CALLS_H_
#define ECF8_LOADER_IO_READ_CALLS_H_

#include <cstdint>

#include "absl/types/span.h"

struct io_uring;
struct io_uring_params;

namespace ecf8 {

// Every result is as the kernel has it: 0 or a count, or minus an errno. Thread-safe; a subclass
// has to be so too.
class ReadCalls {
 public:
  virtual ~ReadCalls() = default;

  // open(2) with O_CLOEXEC and `flags`: the descriptor.
  virtual int Open(const char* path, int flags);

  // pread(2).
  virtual int64_t Read(int fd, absl::Span<uint8_t> memory, uint64_t offset_bytes);

  // io_uring_queue_init_params(3).
  virtual int InitRing(uint32_t entries, io_uring* ring, io_uring_params* params);

  // Makes `memory` fixed buffer `index` of a ring whose table is there.
  virtual int RegisterBuffer(io_uring* ring, uint32_t index, absl::Span<uint8_t> memory);

  // What the ring says of a request for `size_bytes` at `offset_bytes`: `result` as it came.
  virtual int64_t RingResult(int64_t result, uint64_t offset_bytes, uint64_t size_bytes);

  // The real ones.
  static ReadCalls& System();
};

}  // namespace ecf8

#endif  // ECF8_LOADER_IO_READ_CALLS_H_
