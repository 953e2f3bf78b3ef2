// Which frames of an arena are free: best fit over runs of adjacent frames.
//
// Best fit keeps the long runs whole (Knuth, TAOCP 1, 2.5); free neighbours always join. All take
// time logarithmic in the number of free runs.
#ifndef ECF8_LOADER_MEMORY_FRAME_MAP_H_
#define ECF8_LOADER_MEMORY_FRAME_MAP_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace ecf8 {

struct FrameRun {
  uint64_t first = 0;
  uint64_t count = 0;

  bool operator==(const FrameRun&) const = default;
};

using FrameRuns = std::vector<FrameRun>;

// Thread-compatible.
class FrameMap {
 public:
  explicit FrameMap(uint64_t frame_count);

  // `count` frames: of the smallest free run that holds them; where there is none, the largest runs
  // and then the smallest that holds the rest. nullopt, and nothing taken, where fewer are free.
  std::optional<FrameRuns> Allocate(uint64_t count);

  // Just these; false, and nothing taken, where some of them are not free, or not there.
  [[nodiscard]] bool AllocateRun(FrameRun run);

  // Every frame of `run` is allocated (asserted).
  void Free(FrameRun run);

  uint64_t free_count() const { return free_count_; }
  uint64_t largest_run() const { return by_size_.empty() ? 0 : by_size_.rbegin()->first; }
  uint64_t run_count() const { return by_size_.size(); }

 private:
  void Insert(FrameRun run);
  void Erase(FrameRun run);

  const uint64_t frame_count_;
  uint64_t free_count_ = 0;
  std::map<uint64_t, uint64_t> by_address_;          // first -> count
  std::set<std::pair<uint64_t, uint64_t>> by_size_;  // (count, first)
};

}  // namespace ecf8

#endif  // ECF8_LOADER_MEMORY_FRAME_MAP_H_
