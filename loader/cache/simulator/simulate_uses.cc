#include "loader/cache/simulator/simulate_uses.h"

#include <utility>

#include "loader/cache/simulator/simulated_tier.h"
#include "loader/cache/tier_weights.h"

namespace ecf8 {
namespace {

// The model as its units are in the tier.
std::vector<TraceModel> ModelIn(const TierSetup& tier, TraceModel model) {
  for (size_t i = 0; i < model.units.size(); ++i) {
    model.units[i].stored_size_bytes = tier.unit_bytes[i];
  }
  return {std::move(model)};
}

struct UsedTier {
  UsedTier(const TierSetup& setup, const TraceModel& model)
      : models(ModelIn(setup, model)),
        policy(*setup.policy),
        memory(models, setup.budget_bytes, policy) {}

  CacheUnit Unit(uint32_t index) const { return UnitOf(models, 0, index); }

  const std::vector<TraceModel> models;
  CachePolicy& policy;
  SimulatedTier memory;
};

class Tiers {
 public:
  explicit Tiers(const UseSetup& setup)
      : model_(setup.model),
        slots_(setup.slots, setup.model),
        host_(setup.host, setup.model),
        weights_(setup.costs, host_.policy, slots_.policy),
        uses_(setup.model.units.size()) {}

  void Ask(uint32_t unit, Access access) {
    ++counts_.uses;
    const bool decoded = Count(slots_, unit, access);
    uses_[unit].reached_host = !decoded;
    if (decoded) {
      ++counts_.slot_hits;
      return;
    }
    const bool stored = Count(host_, unit, access);
    counts_.host_hits += stored ? 1 : 0;
    uses_[unit].decodes = true;
    Take(slots_, unit);
    if (!stored) Take(host_, unit);
  }

  void Raise(uint32_t unit) {
    Tell(slots_, unit, Access::kDemand);
    if (uses_[unit].reached_host) Tell(host_, unit, Access::kDemand);
  }

  void Ready(uint32_t unit) {
    if (std::exchange(uses_[unit].decodes, false)) host_.memory.EndUse(host_.Unit(unit));
  }

  void Release(uint32_t unit) { slots_.memory.EndUse(slots_.Unit(unit)); }

  const UseCounts& counts() const { return counts_; }

 private:
  // The last of a unit.
  struct Use {
    bool reached_host = false;  // it found nothing in a slot
    bool decodes = false;       // the stored bytes are in use
  };

  static bool Tell(UsedTier& tier, uint32_t unit, Access access) {
    const CacheUnit asked = tier.Unit(unit);
    const bool held = tier.memory.Holds(asked);
    tier.policy.OnAccess(asked, access, held);
    return held;
  }

  // From now on the unit is in use there. Whether it was held.
  static bool Count(UsedTier& tier, uint32_t unit, Access access) {
    const bool held = Tell(tier, unit, access);
    tier.memory.BeginUse(tier.Unit(unit));
    return held;
  }

  void Take(UsedTier& tier, uint32_t unit) {
    for (const uint64_t key : tier.memory.Offer(tier.Unit(unit), /*must=*/true)) {
      Reweigh(CacheKeyUnit(key));
    }
    Reweigh(unit);
  }

  void Reweigh(uint32_t unit) {
    const TraceUnit& traced = model_.units[unit];
    const CacheUnit in_slots = slots_.Unit(unit);
    weights_.Reweigh(in_slots.key,
                     {.stored_bytes = traced.stored_size_bytes,
                      .decoded_bytes = traced.decoded_size_bytes,
                      .slot_bytes = in_slots.size_bytes},
                     {.in_host = host_.memory.Holds(host_.Unit(unit))});
  }

  const TraceModel& model_;
  UsedTier slots_;
  UsedTier host_;
  TierWeights weights_;
  std::vector<Use> uses_;  // by unit
  UseCounts counts_;
};

}  // namespace

UseCounts SimulateUses(absl::Span<const UseEvent> events, const UseSetup& setup) {
  Tiers tiers(setup);
  for (const UseEvent& event : events) {
    switch (event.kind) {
      case UseEvent::Kind::kDemand:
        tiers.Ask(event.unit, Access::kDemand);
        break;
      case UseEvent::Kind::kHint:
        tiers.Ask(event.unit, Access::kHint);
        break;
      case UseEvent::Kind::kRaise:
        tiers.Raise(event.unit);
        break;
      case UseEvent::Kind::kReady:
        tiers.Ready(event.unit);
        break;
      case UseEvent::Kind::kReleased:
        tiers.Release(event.unit);
        break;
    }
  }
  return tiers.counts();
}

}  // namespace ecf8
