// What the arena asks of the system, in one place, so that tests can make it refuse.
#ifndef ECF8_LOADER_MEMORY_MEMORY_CALLS_H_
#define ECF8_LOADER_MEMORY_MEMORY_CALLS_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace ecf8 {

// Results are 0 or an errno but where said otherwise. Thread-safe; a subclass has to be so too.
class MemoryCalls {
 public:
  virtual ~MemoryCalls() = default;

  // mmap(2) of private anonymous memory with `flags` besides: MAP_FAILED and errno as there.
  virtual void* Map(uint64_t size_bytes, int flags);

  // mmap(2) of the file, to be shared, in place of what is mapped at `at`.
  virtual void* MapFile(uint8_t* at, uint64_t size_bytes, int fd);

  // madvise(2).
  virtual int Advise(absl::Span<uint8_t> memory, int advice);

  // mlock2(2) of what is touched and, as it is touched, the rest.
  virtual int Lock(absl::Span<uint8_t> memory);
  virtual uint64_t LockLimitBytes();

  // The node of the calling thread; nullopt where the machine has one.
  virtual std::optional<int> CurrentNode();
  // Pages of `memory` come from `node` as long as it has any.
  virtual int PreferNode(absl::Span<uint8_t> memory, int node);

  // The real ones.
  static MemoryCalls& System();
};

}  // namespace ecf8

#endif  // ECF8_LOADER_MEMORY_MEMORY_CALLS_H_
