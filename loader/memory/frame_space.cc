#include "loader/memory/frame_space.h"

namespace ecf8 {

FrameSpace::FrameSpace(absl::Span<uint8_t> memory, uint64_t frame_bytes)
    : base_(memory.data()),
      frame_bytes_(frame_bytes),
      frame_count_(memory.size() / frame_bytes),
      frames_(frame_count_) {}

std::optional<Extents> FrameSpace::Allocate(uint64_t size_bytes) {
  const std::optional<FrameRuns> runs = frames_.Allocate(FrameCount(size_bytes));
  if (!runs.has_value()) return std::nullopt;
  Extents extents;
  for (const FrameRun& run : *runs) {
    extents.emplace_back(base_ + run.first * frame_bytes_, run.count * frame_bytes_);
  }
  return extents;
}

void FrameSpace::Free(const Extents& extents) {
  for (const absl::Span<uint8_t>& extent : extents) {
    const auto offset_bytes = static_cast<uint64_t>(extent.data() - base_);
    frames_.Free({offset_bytes / frame_bytes_, extent.size() / frame_bytes_});
  }
}

}  // namespace ecf8
