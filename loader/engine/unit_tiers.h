// The units that the engine knows, and the memory that they have: stored in the arena, stored in
// frames of the device, decoded in a slot.
//
// Each tier has a policy that says what goes for what; they are told of each other's copies
// (tier_weights.h).
#ifndef ECF8_LOADER_ENGINE_UNIT_TIERS_H_
#define ECF8_LOADER_ENGINE_UNIT_TIERS_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

#include "absl/status/status.h"
#include "loader/cache/cache_policy.h"
#include "loader/cache/form_costs.h"
#include "loader/cache/tier_weights.h"
#include "loader/engine/engine_stats.h"
#include "loader/engine/unit_state.h"
#include "loader/memory/arena.h"
#include "loader/memory/frame_space.h"
#include "loader/memory/slot_space.h"

namespace ecf8 {

// All of them outlive the tiers. Each policy is for a tier of its memory's capacity.
struct TierParts {
  Arena* arena = nullptr;
  FrameSpace* frames = nullptr;  // the device's; may be of no bytes
  SlotSpace* slots = nullptr;
  CachePolicy* host_policy = nullptr;
  CachePolicy* device_policy = nullptr;
  CachePolicy* slot_policy = nullptr;
  FormCosts costs{};
};

// Thread-compatible.
class UnitTiers {
 public:
  // `on_evicted` is told of each unit that gives memory up though all is well with it, before it
  // does.
  UnitTiers(const TierParts& parts, std::function<void(UnitState&, Tier)> on_evicted);
  UnitTiers(const UnitTiers&) = delete;
  UnitTiers& operator=(const UnitTiers&) = delete;
  // Nobody holds a unit, and nothing is in flight.
  ~UnitTiers();

  void AddModel(uint32_t number, const CompressedModel& model);
  // None of its units is known any more.
  void RemoveModel(uint32_t number);
  // Units of the model that are known.
  size_t CountUnitsOf(uint32_t model) const;

  // RESOURCE_EXHAUSTED, with the shortfall, where the unit can never have the memory that the form
  // needs. Thread-safe.
  absl::Status CheckFits(const CompressedModel& model, const Unit& unit, UnitForm form) const;

  // Null where the unit is not known.
  UnitState* Find(uint64_t key);
  // `unit` was not known.
  UnitState& Add(std::unique_ptr<UnitState> unit);
  // Unless it has memory or waits for some.
  void ForgetIfAbsent(UnitState& unit);
  // Calls `visit` for each unit, then forgets those that can be.
  template <typename Visit>
  void ForEach(const Visit& visit) {
    for (const auto& [key, unit] : units_) visit(*unit);
    std::erase_if(units_, [this](const auto& entry) {
      if (!entry.second->forgotten()) return false;
      --unit_counts_.at(CacheKeyModel(entry.first));
      return true;
    });
  }

  // Counts a request for the unit. What is on its way, or waited for, costs nothing more: a hit.
  // A tier is asked where the better ones had none, so that it learns only of what it could have
  // saved.
  void CountRequest(UnitState& unit, HeldUnit& held);
  // The same request has become more urgent.
  void CountRaise(const UnitState& unit, const HeldUnit& held, Priority priority);

  // Memory for the unit in the tier, which it has none in, at the cost of units that nobody uses.
  // False, and nothing changed, where there is not enough of those; of the device, also where they
  // are worth more.
  bool Take(UnitState& unit, Tier tier);
  // What the unit has there, in any state.
  void Free(UnitState& unit, Tier tier);

  // Frees what nobody uses of a unit that is not to be kept; whether there was something.
  bool DropIdle(UnitState& unit);

  // To be called where a form of the unit has become ready.
  void Reweigh(const UnitState& unit);

  TierStats stats(Tier tier) const;

 private:
  CachePolicy& PolicyOf(Tier tier) const;
  uint64_t CapacityOf(Tier tier) const;
  uint64_t FreeOf(Tier tier) const;
  uint64_t SizeIn(Tier tier, const Unit& unit) const;
  bool CountIn(Tier tier, UnitState& unit, HeldUnit& held);  // whether it was a hit
  bool TakeSlot(UnitState& unit);
  void Evict(UnitState& unit, Tier tier);
  bool MakeRoom(Tier tier, const UnitState& unit, uint64_t free_bytes);

  const TierParts parts_;
  TierWeights weights_;
  const std::function<void(UnitState&, Tier)> on_evicted_;
  std::unordered_map<uint64_t, std::unique_ptr<UnitState>> units_;
  std::unordered_map<uint32_t, size_t> unit_counts_;  // of units_, by model
  std::array<TierStats, kTierCount> stats_{};         // capacity and free are asked for
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_UNIT_TIERS_H_
