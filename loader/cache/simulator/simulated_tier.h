// The memory that a policy decides about, as the simulator has it: sizes without bytes.
#ifndef ECF8_LOADER_CACHE_SIMULATOR_SIMULATED_TIER_H_
#define ECF8_LOADER_CACHE_SIMULATOR_SIMULATED_TIER_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/types/span.h"
#include "loader/cache/cache_policy.h"
#include "loader/cache/trace.h"

namespace ecf8 {

// The walk of a model that has the number `number`. Sizes are the stored ones, here and below: a
// tier in which units take other bytes has those in its models.
ModelWalk WalkOf(const TraceModel& model, uint32_t number);

CacheUnit UnitOf(const std::vector<TraceModel>& models, uint32_t model, uint32_t unit);

// Holds nothing in the beginning. Aborts where the policy breaks its contract: victims that are not
// held or are in use, or too few of them. Thread-compatible.
class SimulatedTier {
 public:
  // The policy must be new; it is told of the models. Both outlive the tier.
  SimulatedTier(const std::vector<TraceModel>& models, uint64_t budget_bytes, CachePolicy& policy);

  bool Holds(const CacheUnit& unit) const { return At(unit.key).held; }

  // `unit` is not held: from now on it is, where the policy admits it. `must` is the policy's.
  // Returns the keys of those that went for it, valid until the next call.
  absl::Span<const uint64_t> Offer(const CacheUnit& unit, bool must);

  // A unit is not evicted while it is in use, by one user or several.
  void BeginUse(const CacheUnit& unit) { ++At(unit.key).users; }
  void EndUse(const CacheUnit& unit);

 private:
  struct Place {
    bool held = false;
    uint32_t users = 0;
  };
  Place& At(uint64_t key) { return places_.at(CacheKeyModel(key)).at(CacheKeyUnit(key)); }
  const Place& At(uint64_t key) const {
    return places_.at(CacheKeyModel(key)).at(CacheKeyUnit(key));
  }

  const std::vector<TraceModel>& models_;
  CachePolicy& policy_;
  const uint64_t budget_bytes_;
  uint64_t free_bytes_;
  std::vector<std::vector<Place>> places_;  // by model and unit
  std::vector<uint64_t> victims_;
  const std::function<bool(uint64_t)> can_evict_ = [this](uint64_t key) {
    return At(key).users == 0;
  };
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_SIMULATOR_SIMULATED_TIER_H_
