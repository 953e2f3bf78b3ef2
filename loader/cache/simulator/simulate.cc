#include "loader/cache/simulator/simulate.h"

#include <utility>
#include <vector>

#include "loader/cache/simulator/simulated_tier.h"

namespace ecf8 {
namespace {

// What the hints found that no demand has followed yet.
class HintOutcomes {
 public:
  explicit HintOutcomes(const Trace& trace) {
    for (const TraceModel& model : trace.models) {
      outcomes_.emplace_back(model.units.size(), Outcome::kNone);
    }
  }

  // Whether the use that `record` belongs to is a hit, where the tier holds its unit or not.
  bool Settle(const TraceRecord& record, bool held) {
    Outcome& outcome = outcomes_[record.model][record.unit];
    if (record.access == Access::kHint && outcome == Outcome::kNone) {
      outcome = held ? Outcome::kHit : Outcome::kMiss;
    }
    if (record.access != Access::kDemand || outcome == Outcome::kNone) return held;
    return std::exchange(outcome, Outcome::kNone) == Outcome::kHit && held;
  }

 private:
  enum class Outcome : uint8_t { kNone, kHit, kMiss };

  std::vector<std::vector<Outcome>> outcomes_;  // by model and unit
};

}  // namespace

SimulationResult Simulate(const Trace& trace, uint64_t budget_bytes, CachePolicy& policy) {
  SimulatedTier tier(trace.models, budget_bytes, policy);
  HintOutcomes hinted(trace);
  SimulationResult result;
  for (const TraceRecord& record : trace.records) {
    const CacheUnit unit = UnitOf(trace.models, record.model, record.unit);
    const bool held = tier.Holds(unit);
    // The read that a hint has caused is the demand's.
    const bool hit = hinted.Settle(record, held);
    if (record.access == Access::kDemand) {
      ++result.demands;
      result.hits += hit ? 1 : 0;
      result.demanded_bytes += unit.size_bytes;
      result.hit_bytes += hit ? unit.size_bytes : 0;
    }
    policy.OnAccess(unit, record.access, held);
    if (!held) tier.Offer(unit, /*must=*/false);
  }
  return result;
}

}  // namespace ecf8
