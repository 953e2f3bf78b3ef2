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
  return ExtentsOf(*runs);
}

std::optional<Extents> FrameSpace::Take(const FrameRuns& runs) {
  for (size_t i = 0; i < runs.size(); ++i) {
    if (frames_.AllocateRun(runs[i])) continue;
    while (i > 0) frames_.Free(runs[--i]);
    return std::nullopt;
  }
  return ExtentsOf(runs);
}

Extents FrameSpace::ExtentsOf(const FrameRuns& runs) const {
  Extents extents;
  for (const FrameRun& run : runs) {
    extents.emplace_back(base_ + run.first * frame_bytes_, run.count * frame_bytes_);
  }
  return extents;
}

FrameRuns FrameSpace::RunsOf(const Extents& extents) const {
  FrameRuns runs;
  for (const absl::Span<uint8_t>& extent : extents) {
    const auto offset_bytes = static_cast<uint64_t>(extent.data() - base_);
    runs.push_back({offset_bytes / frame_bytes_, extent.size() / frame_bytes_});
  }
  return runs;
}

void FrameSpace::Free(const Extents& extents) {
  for (const FrameRun& run : RunsOf(extents)) frames_.Free(run);
}

}  // namespace ecf8
