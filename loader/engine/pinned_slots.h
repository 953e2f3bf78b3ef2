// The slots that pins keep where they are.
//
// A slot cannot move, so one in the middle of the memory may cut the last run in two that some
// other unit needs. Slots are kept only where a run is left that holds any unit.
#ifndef ECF8_LOADER_ENGINE_PINNED_SLOTS_H_
#define ECF8_LOADER_ENGINE_PINNED_SLOTS_H_

#include <cstdint>
#include <map>

namespace ecf8 {

// Thread-compatible.
class PinnedSlots {
 public:
  explicit PinnedSlots(uint64_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}

  // Of what slots may lie in from now on; those behind it are about to go.
  void SetCapacity(uint64_t bytes) { capacity_bytes_ = bytes; }

  // Whether, with one more slot there, a run of `run_bytes` without any is left.
  bool LeavesRun(uint64_t offset_bytes, uint64_t size_bytes, uint64_t run_bytes) const;

  // Of `size_bytes`, not 0; overlaps none that is there.
  void Add(uint64_t offset_bytes, uint64_t size_bytes) { sizes_.emplace(offset_bytes, size_bytes); }
  void Remove(uint64_t offset_bytes) { sizes_.erase(offset_bytes); }
  bool Has(uint64_t offset_bytes) const { return sizes_.contains(offset_bytes); }

 private:
  uint64_t capacity_bytes_;
  std::map<uint64_t, uint64_t> sizes_;  // by offset
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_PINNED_SLOTS_H_
