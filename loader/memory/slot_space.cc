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
  return Begin(pages_.Allocate(count)->front());
}

absl::Span<uint8_t> SlotSpace::AllocateAt(uint64_t offset_bytes, uint64_t size_bytes) {
  assert(offset_bytes % kSlotPageBytes == 0 && size_bytes > 0);
  const FrameRun run{offset_bytes / kSlotPageBytes, SlotBytes(size_bytes) / kSlotPageBytes};
  [[maybe_unused]] const bool were_free = pages_.AllocateRun(run);
  assert(were_free);
  return Begin(run);
}

absl::Span<uint8_t> SlotSpace::Begin(FrameRun run) {
  if (!generations_.empty()) {
    SetGeneration(generations_.subspan(run.first, run.count), ++last_generation_);
  }
  return {base_ + run.first * kSlotPageBytes, run.count * kSlotPageBytes};
}

void SlotSpace::Free(absl::Span<uint8_t> slot) {
  if (slot.empty()) return;
  pages_.Free({OffsetOf(slot) / kSlotPageBytes, slot.size() / kSlotPageBytes});
}

}  // namespace ecf8
