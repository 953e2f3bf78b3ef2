#include "loader/engine/stored_bytes.h"

#include <algorithm>

#include "loader/io/block_reader.h"

namespace ecf8 {

absl::Span<const uint8_t> SliceOf(const Extents& extents, uint64_t offset, uint64_t size,
                                  std::vector<uint8_t>* scratch) {
  size_t run = 0;
  while (run < extents.size() && offset >= extents[run].size()) offset -= extents[run++].size();
  if (run < extents.size() && offset + size <= extents[run].size()) {
    return extents[run].subspan(offset, size);
  }
  scratch->clear();
  scratch->reserve(size);
  for (; scratch->size() < size; ++run, offset = 0) {
    const auto part = extents[run].subspan(offset, size - scratch->size());
    scratch->insert(scratch->end(), part.begin(), part.end());
  }
  return *scratch;
}

Extents SliceExtents(const Extents& extents, uint64_t offset, uint64_t size) {
  Extents slices;
  for (size_t run = 0; size > 0; ++run) {
    if (offset >= extents[run].size()) {
      offset -= extents[run].size();
      continue;
    }
    slices.push_back(extents[run].subspan(offset, size));
    size -= slices.back().size();
    offset = 0;
  }
  return slices;
}

void CopyInto(const Extents& extents, uint64_t offset, absl::Span<const uint8_t> bytes) {
  for (const absl::Span<uint8_t> run : extents) {
    if (offset >= run.size()) {
      offset -= run.size();
      continue;
    }
    const auto to = run.subspan(offset, bytes.size());
    std::copy_n(bytes.begin(), to.size(), to.begin());
    bytes.remove_prefix(to.size());
    offset = 0;
  }
}

std::vector<PlannedRead> PlanReads(const Extents& extents, uint64_t stored_size_bytes) {
  std::vector<PlannedRead> reads;
  uint64_t offset = 0;
  for (const absl::Span<uint8_t> run : extents) {
    for (uint64_t in_run = 0; in_run < run.size() && offset < stored_size_bytes;) {
      const uint64_t size =
          std::min({uint64_t{kMaxReadBytes}, run.size() - in_run, stored_size_bytes - offset});
      reads.push_back({offset, static_cast<uint32_t>(size), run.data() + in_run});
      offset += size;
      in_run += size;
    }
  }
  return reads;
}

}  // namespace ecf8
