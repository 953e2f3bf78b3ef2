// A run of memory given out in frames: the arena's, or a device's.
#ifndef ECF8_LOADER_MEMORY_FRAME_SPACE_H_
#define ECF8_LOADER_MEMORY_FRAME_SPACE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "loader/memory/frame_map.h"

namespace ecf8 {

// The memory of an allocation, in order: runs of adjacent frames, each a multiple of the frame's
// size. One run unless the memory is fragmented. Empty for 0 bytes.
using Extents = std::vector<absl::Span<uint8_t>>;

// Does not touch the memory, which may be a device's. Thread-compatible.
class FrameSpace {
 public:
  // `memory` outlives the frames; what is left of the last one is not used.
  FrameSpace(absl::Span<uint8_t> memory, uint64_t frame_bytes);

  // Room for `size_bytes`, rounded up to frames: the smallest run that holds it; where there is
  // none, the largest runs and then the smallest that holds the rest. nullopt, and nothing taken,
  // where fewer frames are free. What the memory holds is undefined.
  std::optional<Extents> Allocate(uint64_t size_bytes);

  // Just these frames, in this order; nullopt, and nothing taken, where some of them are not free.
  std::optional<Extents> Take(const FrameRuns& runs);

  // The frames of what was allocated.
  FrameRuns RunsOf(const Extents& extents) const;

  // `extents` came from Allocate or Take and were not freed since (asserted).
  void Free(const Extents& extents);

  // What `size_bytes` take.
  uint64_t FrameBytes(uint64_t size_bytes) const { return FrameCount(size_bytes) * frame_bytes_; }

  uint64_t capacity_bytes() const { return frame_count_ * frame_bytes_; }
  uint64_t free_bytes() const { return frames_.free_count() * frame_bytes_; }
  uint64_t largest_run_bytes() const { return frames_.largest_run() * frame_bytes_; }

 private:
  Extents ExtentsOf(const FrameRuns& runs) const;
  uint64_t FrameCount(uint64_t size_bytes) const {
    return size_bytes / frame_bytes_ + (size_bytes % frame_bytes_ != 0 ? 1 : 0);
  }

  uint8_t* const base_;
  const uint64_t frame_bytes_;
  const uint64_t frame_count_;
  FrameMap frames_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_MEMORY_FRAME_SPACE_H_
