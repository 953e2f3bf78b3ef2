#include "loader/memory/slot_space.h"

#include <algorithm>
#include <cassert>

namespace ecf8 {

SlotSpace::SlotSpace(absl::Span<uint8_t> memory, absl::Span<SlotGeneration> generations)
    : base_(memory.data()),
      page_count_(memory.size() / kSlotPageBytes),
      generations_(generations),
      pages_(page_count_),
      limit_page_(page_count_),
      withheld_(page_count_) {
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
  const uint64_t first = OffsetOf(slot) / kSlotPageBytes;
  const uint64_t end = first + slot.size() / kSlotPageBytes;
  const uint64_t free_end = std::clamp(limit_page_, first, end);
  if (free_end > first) pages_.Free({first, free_end - first});
  for (uint64_t page = free_end; page < end; ++page) withheld_[page] = true;
}

void SlotSpace::SetLimit(uint64_t bytes) {
  assert(bytes % kSlotPageBytes == 0 && bytes <= capacity_bytes());
  const uint64_t limit_page = bytes / kSlotPageBytes;
  const bool all_free =
      limit_page < limit_page_ && pages_.AllocateRun({limit_page, limit_page_ - limit_page});
  for (uint64_t page = limit_page; page < limit_page_; ++page) {
    withheld_[page] = all_free || pages_.AllocateRun({page, 1});
  }
  for (uint64_t page = limit_page_; page < limit_page; ++page) {
    if (!withheld_[page]) continue;
    const uint64_t first = page;
    while (page < limit_page && withheld_[page]) withheld_[page++] = false;
    pages_.Free({first, page - first});
  }
  limit_page_ = limit_page;
}

}  // namespace ecf8
