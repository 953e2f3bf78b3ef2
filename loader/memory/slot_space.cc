#include "loader/memory/slot_space.h"

#include <cassert>

namespace ecf8 {

SlotSpace::SlotSpace(absl::Span<uint8_t> memory, absl::Span<SlotGeneration> generations)
    : base_(memory.data()),
      page_count_(memory.size() / kSlotPageBytes),
      generations_(generations),
      pages_(page_count_) {
  assert(generations.empty() || generations.size() == page_count_);
}

std::optional<absl::Span<uint8_t>> SlotSpace::Allocate(uint64_t size_bytes) {
  const uint64_t count = SlotBytes(size_bytes) / kSlotPageBytes;
  if (count == 0) return absl::Span<uint8_t>();
  if (pages_.largest_run() < count) return std::nullopt;
  const FrameRun run = pages_.Allocate(count)->front();
  if (!generations_.empty()) {
    SetGeneration(generations_.subspan(run.first, count), ++last_generation_);
  }
  return absl::Span<uint8_t>(base_ + run.first * kSlotPageBytes, count * kSlotPageBytes);
}

void SlotSpace::Free(absl::Span<uint8_t> slot) {
  if (slot.empty()) return;
  pages_.Free(
      {static_cast<uint64_t>(slot.data() - base_) / kSlotPageBytes, slot.size() / kSlotPageBytes});
}

}  // namespace ecf8
