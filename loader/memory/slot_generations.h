// One counter for each page of slots, which tells a client that maps them whether a slot is still
// the one that it was given.
//
// All pages of a slot carry the slot's generation, which no slot had before. A reader looks at them
// before and after it reads: where both are what it was told, all it read was of that slot.
#ifndef ECF8_LOADER_MEMORY_SLOT_GENERATIONS_H_
#define ECF8_LOADER_MEMORY_SLOT_GENERATIONS_H_

#include <atomic>
#include <cstdint>

#include "absl/types/span.h"

namespace ecf8 {

// Lies in memory that other processes read; an atomic without a lock is the same in all of them.
using SlotGeneration = std::atomic<uint64_t>;
static_assert(SlotGeneration::is_always_lock_free && sizeof(SlotGeneration) == sizeof(uint64_t));

// Gives all `pages` the generation `generation`. What is written to the slot from here on is seen
// by nobody who does not see the new generation, too.
inline void SetGeneration(absl::Span<SlotGeneration> pages, uint64_t generation) {
  for (SlotGeneration& page : pages) page.store(generation, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

// Whether all `pages` have the generation, after whatever the caller has read of them so far.
inline bool HaveGeneration(absl::Span<const SlotGeneration> pages, uint64_t generation) {
  std::atomic_thread_fence(std::memory_order_acquire);
  for (const SlotGeneration& page : pages) {
    if (page.load(std::memory_order_acquire) != generation) return false;
  }
  return true;
}

}  // namespace ecf8

#endif  // ECF8_LOADER_MEMORY_SLOT_GENERATIONS_H_
