#include "loader/cache/simulator/simulate_uses.h"

#include <utility>

#include "loader/cache/simulator/simulated_tier.h"

namespace ecf8 {
namespace {

class Tiers {
 public:
  Tiers(const TierSetup& slots, const TierSetup& host)
      : slots_(slots),
        host_(host),
        slot_tier_(slots.models, slots.budget_bytes, *slots.policy),
        host_tier_(host.models, host.budget_bytes, *host.policy),
        uses_(slots.models[0].units.size()) {}

  void Ask(uint32_t unit, Access access) {
    const CacheUnit in_slots = UnitOf(slots_.models, 0, unit);
    const CacheUnit in_host = UnitOf(host_.models, 0, unit);
    ++counts_.uses;
    const bool decoded = slot_tier_.Holds(in_slots);
    slots_.policy->OnAccess(in_slots, access, decoded);
    slot_tier_.BeginUse(in_slots);
    uses_[unit].reached_host = !decoded;
    if (decoded) {
      ++counts_.slot_hits;
      return;
    }
    const bool stored = host_tier_.Holds(in_host);
    counts_.host_hits += stored ? 1 : 0;
    host_.policy->OnAccess(in_host, access, stored);
    host_tier_.BeginUse(in_host);
    uses_[unit].decodes = true;
    slot_tier_.Offer(in_slots, /*must=*/true);
    if (!stored) host_tier_.Offer(in_host, /*must=*/true);
  }

  void Raise(uint32_t unit) {
    const CacheUnit in_slots = UnitOf(slots_.models, 0, unit);
    slots_.policy->OnAccess(in_slots, Access::kDemand, slot_tier_.Holds(in_slots));
    if (!uses_[unit].reached_host) return;
    const CacheUnit in_host = UnitOf(host_.models, 0, unit);
    host_.policy->OnAccess(in_host, Access::kDemand, host_tier_.Holds(in_host));
  }

  void Ready(uint32_t unit) {
    if (std::exchange(uses_[unit].decodes, false)) {
      host_tier_.EndUse(UnitOf(host_.models, 0, unit));
    }
  }

  void Release(uint32_t unit) { slot_tier_.EndUse(UnitOf(slots_.models, 0, unit)); }

  const UseCounts& counts() const { return counts_; }

 private:
  // The last of a unit.
  struct Use {
    bool reached_host = false;  // it found nothing in a slot
    bool decodes = false;       // the stored bytes are in use
  };

  const TierSetup& slots_;
  const TierSetup& host_;
  SimulatedTier slot_tier_;
  SimulatedTier host_tier_;
  std::vector<Use> uses_;  // by unit
  UseCounts counts_;
};

}  // namespace

UseCounts SimulateUses(absl::Span<const UseEvent> events, const TierSetup& slots,
                       const TierSetup& host) {
  Tiers tiers(slots, host);
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
