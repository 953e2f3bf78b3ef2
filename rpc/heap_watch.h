// How much of the heap this process uses.
#ifndef ECF8_RPC_HEAP_WATCH_H_
#define ECF8_RPC_HEAP_WATCH_H_

#include <chrono>
#include <cstdint>

#include "loader/base/descriptor.h"

namespace ecf8 {

// For a process that serves, as early as can be. malloc keeps what is free at the end of each of
// its arenas, as much as twice the largest block that was given back to the system; GiveBack cannot
// reach that. From here on it is a fixed amount.
void KeepLittleFreeHeap();

// To be asked many times a second. malloc knows exactly, and takes every lock that it has to say
// so: it is asked only where the process's resident memory says that it may have become too much.
// Thread-compatible.
class HeapWatch {
 public:
  using Clock = std::chrono::steady_clock;

  explicit HeapWatch(uint64_t limit_bytes);

  // What is in use; below the limit, for a while, an upper bound of it, but for what was free
  // before and is used again. 0 where malloc is not glibc's.
  uint64_t InUse(Clock::time_point now);

  // Gives memory that is not used back to the system, where that is much: what a flood leaves
  // behind. To be called now and then.
  void GiveBack();

 private:
  // Memory that is this process's alone, the budgets' included.
  uint64_t ResidentBytes() const;
  void AskMalloc(uint64_t resident_bytes);

  const uint64_t limit_bytes_;
  const Descriptor statm_;
  // When malloc was asked last, and is asked again where much is in use.
  Clock::time_point ask_after_;
  uint64_t in_use_bytes_ = 0;
  uint64_t resident_bytes_ = 0;
  // Resident and not malloc's that is in use, in the beginning: the budgets' as far as touched.
  uint64_t unused_bytes_ = 0;
};

}  // namespace ecf8

#endif  // ECF8_RPC_HEAP_WATCH_H_
