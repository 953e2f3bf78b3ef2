#include "loader/memory/frame_map.h"

#include <algorithm>
#include <cassert>
#include <iterator>

namespace ecf8 {

FrameMap::FrameMap(uint64_t frame_count) : frame_count_(frame_count) {
  if (frame_count > 0) Insert({0, frame_count});
}

std::optional<FrameRuns> FrameMap::Allocate(uint64_t count) {
  if (count > free_count_) return std::nullopt;
  FrameRuns runs;
  while (count > 0) {
    // The smallest that holds all, or else the largest.
    auto best = by_size_.lower_bound({count, 0});
    if (best == by_size_.end()) best = std::prev(best);
    const FrameRun free{best->second, best->first};
    const uint64_t taken = std::min(count, free.count);
    Erase(free);
    if (taken < free.count) Insert({free.first + taken, free.count - taken});
    runs.push_back({free.first, taken});
    count -= taken;
  }
  return runs;
}

bool FrameMap::AllocateRun(FrameRun run) {
  if (run.count == 0) return true;
  auto found = by_address_.upper_bound(run.first);
  if (found == by_address_.begin()) return false;
  --found;
  const FrameRun free{found->first, found->second};
  const uint64_t before = run.first - free.first;
  if (before >= free.count || run.count > free.count - before) return false;
  Erase(free);
  if (before > 0) Insert({free.first, before});
  const uint64_t after = free.count - before - run.count;
  if (after > 0) Insert({run.first + run.count, after});
  return true;
}

void FrameMap::Free(FrameRun run) {
  assert(run.count > 0 && run.first < frame_count_ && run.count <= frame_count_ - run.first);
  const auto next = by_address_.lower_bound(run.first);
  std::optional<FrameRun> before;
  std::optional<FrameRun> after;
  if (next != by_address_.end()) after = FrameRun{next->first, next->second};
  if (next != by_address_.begin())
    before = FrameRun{std::prev(next)->first, std::prev(next)->second};
  assert(!after || run.first + run.count <= after->first);  // not free already
  assert(!before || before->first + before->count <= run.first);
  if (after && run.first + run.count == after->first) {
    Erase(*after);
    run.count += after->count;
  }
  if (before && before->first + before->count == run.first) {
    Erase(*before);
    run = {before->first, before->count + run.count};
  }
  Insert(run);
}

void FrameMap::Insert(FrameRun run) {
  by_address_.emplace(run.first, run.count);
  by_size_.emplace(run.count, run.first);
  free_count_ += run.count;
}

void FrameMap::Erase(FrameRun run) {
  by_address_.erase(run.first);
  by_size_.erase({run.count, run.first});
  free_count_ -= run.count;
}

}  // namespace ecf8
