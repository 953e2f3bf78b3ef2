// The memory that decoded units live in, given out in slots: each one run of whole pages, so that a
// client maps it as it is.
#ifndef ECF8_LOADER_MEMORY_SLOT_SPACE_H_
#define ECF8_LOADER_MEMORY_SLOT_SPACE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "loader/memory/frame_map.h"
#include "loader/memory/slot_generations.h"

namespace ecf8 {

inline constexpr uint64_t kSlotPageBytes = uint64_t{2} << 20;

// Does not touch the memory, which may be a device's. Thread-compatible.
class SlotSpace {
 public:
  // `memory` outlives the slots; what is left of the last page is not used. `generations`, of as
  // many pages, or none, too: each slot gets one that none had before, before it is given out.
  explicit SlotSpace(absl::Span<uint8_t> memory, absl::Span<SlotGeneration> generations = {});

  // What a slot for `size_bytes` takes.
  static uint64_t SlotBytes(uint64_t size_bytes) {
    return (size_bytes + kSlotPageBytes - 1) / kSlotPageBytes * kSlotPageBytes;
  }

  // The smallest free run that holds `size_bytes`, cut to SlotBytes(size_bytes). nullopt where
  // there is none, though there may be as many free bytes. Empty for 0 bytes.
  std::optional<absl::Span<uint8_t>> Allocate(uint64_t size_bytes);

  // A slot for `size_bytes`, not 0, which starts at `offset_bytes`, a multiple of a page. All of it
  // is free (asserted).
  absl::Span<uint8_t> AllocateAt(uint64_t offset_bytes, uint64_t size_bytes);

  // From now on slots lie in the first `bytes`, whole pages, alone; those behind stay until they
  // are freed. At first: all of the memory.
  void SetLimit(uint64_t bytes);
  uint64_t limit_bytes() const { return limit_page_ * kSlotPageBytes; }

  // `slot` came from here.
  void Free(absl::Span<uint8_t> slot);

  // Where a slot that is not empty starts.
  uint64_t OffsetOf(absl::Span<const uint8_t> slot) const {
    return static_cast<uint64_t>(slot.data() - base_);
  }

  uint64_t capacity_bytes() const { return page_count_ * kSlotPageBytes; }
  // Below the limit.
  uint64_t free_bytes() const { return pages_.free_count() * kSlotPageBytes; }

 private:
  absl::Span<uint8_t> Begin(FrameRun run);

  uint8_t* const base_;
  const uint64_t page_count_;
  const absl::Span<SlotGeneration> generations_;
  uint64_t last_generation_ = 0;
  FrameMap pages_;
  uint64_t limit_page_;
  std::vector<bool> withheld_;  // by page: not free, though no slot has it
};

}  // namespace ecf8

#endif  // ECF8_LOADER_MEMORY_SLOT_SPACE_H_
