// A stored unit in frames: contiguous to those who slice it, in runs of frames underneath.
#ifndef ECF8_LOADER_ENGINE_STORED_BYTES_H_
#define ECF8_LOADER_ENGINE_STORED_BYTES_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "loader/memory/frame_space.h"

namespace ecf8 {

// `size` bytes from `offset` on of what the extents hold one after another. Where they lie in one
// run, this points there; else they are put together in *scratch, whose capacity is reused. They
// must lie inside.
absl::Span<const uint8_t> SliceOf(const Extents& extents, uint64_t offset, uint64_t size,
                                  std::vector<uint8_t>* scratch);

// The same bytes where they lie, in order; no run is empty.
Extents SliceExtents(const Extents& extents, uint64_t offset, uint64_t size);

// Puts `bytes` at `offset` of what the extents hold one after another, which must have the room.
void CopyInto(const Extents& extents, uint64_t offset, absl::Span<const uint8_t> bytes);

// One read of a stored unit into its frames.
struct PlannedRead {
  uint64_t offset_bytes = 0;  // in the stored unit; a multiple of kBlockBytes
  uint32_t size_bytes = 0;    // at most kMaxReadBytes
  uint8_t* data = nullptr;
};

// The reads that bring `stored_size_bytes` into `extents`, in order, as large as they may be.
std::vector<PlannedRead> PlanReads(const Extents& extents, uint64_t stored_size_bytes);

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_STORED_BYTES_H_
