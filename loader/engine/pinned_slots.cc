#include "loader/engine/pinned_slots.h"

#include <algorithm>

namespace ecf8 {

bool PinnedSlots::LeavesRun(uint64_t offset_bytes, uint64_t size_bytes, uint64_t run_bytes) const {
  uint64_t longest_bytes = 0;
  uint64_t run_begin = 0;
  const auto pass = [&](uint64_t begin, uint64_t end) {
    const uint64_t run_end = std::min(begin, capacity_bytes_);
    longest_bytes = std::max(longest_bytes, run_end - std::min(run_begin, run_end));
    run_begin = end;
  };
  bool is_passed = false;
  for (const auto& [begin, bytes] : sizes_) {
    if (!is_passed && begin > offset_bytes) {
      pass(offset_bytes, offset_bytes + size_bytes);
      is_passed = true;
    }
    pass(begin, begin + bytes);
  }
  if (!is_passed) pass(offset_bytes, offset_bytes + size_bytes);
  pass(capacity_bytes_, capacity_bytes_);
  return longest_bytes >= run_bytes;
}

}  // namespace ecf8
