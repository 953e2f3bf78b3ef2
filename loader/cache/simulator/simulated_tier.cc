#include "loader/cache/simulator/simulated_tier.h"

#include <cstdlib>

namespace ecf8 {

ModelWalk WalkOf(const TraceModel& model, uint32_t number) {
  ModelWalk walk;
  walk.model = number;
  for (const TraceUnit& unit : model.units) {
    walk.units.push_back({unit.stored_size_bytes, unit.layer, unit.expert});
  }
  return walk;
}

CacheUnit UnitOf(const std::vector<TraceModel>& models, uint32_t model, uint32_t unit) {
  const TraceUnit& traced = models[model].units[unit];
  return {CacheKey(model, unit), traced.stored_size_bytes, traced.layer, traced.expert, model};
}

SimulatedTier::SimulatedTier(const std::vector<TraceModel>& models, uint64_t budget_bytes,
                             CachePolicy& policy)
    : models_(models), policy_(policy), budget_bytes_(budget_bytes), free_bytes_(budget_bytes) {
  for (uint32_t model = 0; model < models.size(); ++model) {
    places_.emplace_back(models[model].units.size());
    policy.AddModel(WalkOf(models[model], model));
  }
}

absl::Span<const uint64_t> SimulatedTier::Offer(const CacheUnit& unit, bool must) {
  victims_.clear();
  if (unit.size_bytes > budget_bytes_) return victims_;
  const uint64_t missing = unit.size_bytes > free_bytes_ ? unit.size_bytes - free_bytes_ : 0;
  if (!policy_.Admit(unit, missing, must, can_evict_, &victims_)) return victims_;
  for (const uint64_t key : victims_) {
    Place& victim = At(key);
    if (!victim.held || victim.users > 0) abort();
    victim.held = false;
    free_bytes_ += UnitOf(models_, CacheKeyModel(key), CacheKeyUnit(key)).size_bytes;
    policy_.OnEvict(key);
  }
  if (free_bytes_ < unit.size_bytes) abort();
  free_bytes_ -= unit.size_bytes;
  At(unit.key).held = true;
  policy_.OnInsert(unit);
  return victims_;
}

void SimulatedTier::EndUse(const CacheUnit& unit) {
  Place& place = At(unit.key);
  if (place.users == 0) abort();
  --place.users;
}

}  // namespace ecf8
