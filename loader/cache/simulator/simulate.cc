#include "loader/cache/simulator/simulate.h"

#include <cstdlib>
#include <functional>
#include <vector>

namespace ecf8 {
namespace {

// The memory that a policy decides about.
class Tier {
 public:
  Tier(const Trace& trace, uint64_t budget_bytes, CachePolicy& policy)
      : trace_(trace), policy_(policy), free_bytes_(budget_bytes), budget_bytes_(budget_bytes) {
    for (uint32_t model = 0; model < trace.models.size(); ++model) {
      held_.emplace_back(trace.models[model].units.size(), false);
      policy.AddModel(WalkOf(trace, model));
    }
  }

  bool Holds(const CacheUnit& unit) const { return held_[unit.model][CacheKeyUnit(unit.key)]; }

  void Offer(const CacheUnit& unit) {
    if (unit.size_bytes > budget_bytes_) return;
    const uint64_t missing = unit.size_bytes > free_bytes_ ? unit.size_bytes - free_bytes_ : 0;
    victims_.clear();
    if (!policy_.Admit(unit, missing, false, can_evict_, &victims_)) return;
    for (const uint64_t key : victims_) {
      std::vector<bool>& held = held_.at(CacheKeyModel(key));
      if (!held.at(CacheKeyUnit(key))) abort();
      held[CacheKeyUnit(key)] = false;
      free_bytes_ += trace_.models[CacheKeyModel(key)].units[CacheKeyUnit(key)].stored_size_bytes;
      policy_.OnEvict(key);
    }
    if (free_bytes_ < unit.size_bytes) abort();
    free_bytes_ -= unit.size_bytes;
    held_[unit.model][CacheKeyUnit(unit.key)] = true;
    policy_.OnInsert(unit);
  }

 private:
  const Trace& trace_;
  CachePolicy& policy_;
  uint64_t free_bytes_;
  uint64_t budget_bytes_;
  std::vector<std::vector<bool>> held_;  // by model and unit
  std::vector<uint64_t> victims_;
  const std::function<bool(uint64_t)> can_evict_ = [](uint64_t) { return true; };
};

}  // namespace

ModelWalk WalkOf(const Trace& trace, uint32_t model) {
  ModelWalk walk;
  walk.model = model;
  for (const TraceUnit& unit : trace.models[model].units) {
    walk.units.push_back({unit.stored_size_bytes, unit.layer, unit.expert});
  }
  return walk;
}

CacheUnit UnitOf(const Trace& trace, const TraceRecord& record) {
  const TraceUnit& unit = trace.models[record.model].units[record.unit];
  return {CacheKey(record.model, record.unit), unit.stored_size_bytes, unit.layer, unit.expert,
          record.model};
}

SimulationResult Simulate(const Trace& trace, uint64_t budget_bytes, CachePolicy& policy) {
  Tier tier(trace, budget_bytes, policy);
  SimulationResult result;
  for (const TraceRecord& record : trace.records) {
    const CacheUnit unit = UnitOf(trace, record);
    const bool hit = tier.Holds(unit);
    if (record.access == Access::kDemand) {
      ++result.demands;
      result.hits += hit ? 1 : 0;
      result.demanded_bytes += unit.size_bytes;
      result.hit_bytes += hit ? unit.size_bytes : 0;
    }
    policy.OnAccess(unit, record.access, hit);
    if (!hit) tier.Offer(unit);
  }
  return result;
}

}  // namespace ecf8
