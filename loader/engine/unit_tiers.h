// The units that the engine knows, and the memory that they have: stored in the arena, stored in
// frames of the device, decoded in a slot, stored in a slot. The last two are tiers of one memory.
//
// Each tier has a policy that says what goes for what; they are told of each other's copies
// (tier_weights.h). What is pinned goes for nothing (tier_pins.h), nor for a preload what belongs
// to a model that clients ask for.
#ifndef ECF8_LOADER_ENGINE_UNIT_TIERS_H_
#define ECF8_LOADER_ENGINE_UNIT_TIERS_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "loader/cache/cache_policy.h"
#include "loader/cache/form_costs.h"
#include "loader/cache/tier_weights.h"
#include "loader/engine/engine_stats.h"
#include "loader/engine/kept_units.h"
#include "loader/engine/pinned_slots.h"
#include "loader/engine/residency.h"
#include "loader/engine/slot_grants.h"
#include "loader/engine/tier_pins.h"
#include "loader/engine/unit_state.h"
#include "loader/memory/arena.h"
#include "loader/memory/frame_ledger.h"
#include "loader/memory/frame_space.h"
#include "loader/memory/slot_space.h"

namespace ecf8 {

// All of them outlive the tiers. Each policy is for a tier of its memory's capacity.
struct TierParts {
  Arena* arena = nullptr;
  FrameSpace* frames = nullptr;  // the device's; may be of no bytes
  SlotSpace* slots = nullptr;
  SlotGrants* grants = nullptr;  // of the slots' capacity
  CachePolicy* host_policy = nullptr;
  CachePolicy* device_policy = nullptr;
  CachePolicy* slot_policy = nullptr;
  FormCosts costs{};
  // Where the arena's memory outlives the process: what is written of it, and what was found there.
  FrameLedger* ledger = nullptr;
  std::vector<LedgerUnit> kept{};
};

// What a unit may push out for its place.
enum class Claim : uint8_t {
  kMust,         // the cheapest
  kIfWorthMore,  // what is worth less
  kIfUnused,     // what belongs to models that nobody has asked for, for a while
};

enum class TakeResult : uint8_t {
  kTaken,
  kInUse,     // what would have to go is in use; later, perhaps
  kNotWorth,  // nothing that the claim may push out would be enough
};

enum class PinReason : uint8_t {
  kKept,  // somebody said so, and may say otherwise
  kHeld,  // somebody lives who needs it
};

// Thread-compatible.
class UnitTiers {
 public:
  // A model that nobody asks for, demand, hint or preload, for so long is unused.
  static constexpr uint64_t kUnusedAfterMs = 30'000;

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

  // What time it is; never less than before. Needed for nothing but what is unused.
  void SetTime(uint64_t now_ms) { now_ms_ = now_ms; }

  // RESOURCE_EXHAUSTED, with the shortfall, where the unit can never have the memory that the form
  // needs. Thread-safe.
  absl::Status CheckFits(const CompressedModel& model, const Unit& unit, UnitForm form) const;

  // Null where the unit is not known.
  UnitState* Find(uint64_t key);
  const UnitState* Find(uint64_t key) const;
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
  // saved. A preload asks the tier that it is for.
  void CountRequest(UnitState& unit, HeldUnit& held);
  // The same request has become more urgent.
  void CountRaise(const UnitState& unit, const HeldUnit& held, Priority priority);

  // Memory for the unit in the tier, which it has none in, at the cost of units that are idle. A
  // pinned unit must have it, whatever the claim.
  TakeResult Take(UnitState& unit, Tier tier, Claim claim);
  // What the unit has there, in any state.
  void Free(UnitState& unit, Tier tier);
  // It is idle there. The unit may be gone afterwards.
  void Evict(UnitState& unit, Tier tier);

  // Pins the units of the set, which are `model`'s, and returns 0; or none, and returns how many
  // bytes are missing. What is pinned, or granted to sessions, leaves room for any one unit in host
  // memory and slots; frames are no unit's need.
  uint64_t Pin(const UnitSet& set, const CompressedModel& model, PinReason reason);
  // `reason` is none any more. Nothing for units that are not pinned.
  UnpinReport Unpin(const UnitSet& set, PinReason reason);
  // Whatever the reasons, in all tiers.
  void DropPinsOf(uint32_t model);
  const TierPins& pins(Tier tier) const { return pins_[static_cast<size_t>(tier)]; }
  // Pins, and of slots sessions' grants.
  MemoryHolders HoldersOf(Tier tier) const;
  // Of the tier's memory: slots in both forms.
  uint64_t PinnedBytes(Tier tier) const;
  // What pins leave for any one unit.
  uint64_t RoomBytes(Tier tier) const;
  // How much less would have to be pinned for any one unit of a model that is to be added, when the
  // pins of the model number `replaced`, if any, are gone.
  uint64_t ShortfallBesidePins(const CompressedModel& model, Tier tier,
                               std::optional<uint32_t> replaced) const;
  // Whether the unit's memory there stays because it is pinned. A slot in a place where it would
  // leave no run for others (pinned_slots.h) does not.
  bool IsHeldByPin(Tier tier, const UnitState& unit) const;

  uint64_t CapacityOf(Tier tier) const;
  uint64_t SizeIn(Tier tier, const Unit& unit) const;

  // Frees what nobody uses of a unit that is not to be kept; whether there was something.
  bool DropIdle(UnitState& unit);

  // What the process before has left of a model. Until it is taken it is the first to go where its
  // memory is wanted.
  std::vector<KeptUnit> TakeKept(uint64_t model_digest) { return kept_.TakeModel(model_digest); }
  void FreeKept(const KeptUnit& unit);
  // The unit, which has no memory, has these frames of the arena, kKept.
  void Adopt(UnitState& unit, Extents frames);

  // Slots lie in the first `bytes` alone from now on. What lies behind goes as it gets idle, pinned
  // or not: ClearSlotEnd says whether nothing does any more.
  void LimitSlots(uint64_t bytes) {
    parts_.slots->SetLimit(bytes);
    pinned_slots_.SetCapacity(bytes);
  }
  bool ClearSlotEnd();

  // For the ledger, where there is one: all of the unit's stored bytes are in memory and checked.
  void Record(const UnitState& unit);
  // The read is about to be asked for, or has ended.
  void MarkRead(const PlannedRead& read, bool reading);

  // To be called where a form of the unit has become ready.
  void Reweigh(const UnitState& unit);

  TierStats stats(Tier tier) const;
  // Of the slots in both forms.
  TierStats slot_stats() const;

 private:
  // What has memory in a tier.
  struct Held {
    UnitState* unit = nullptr;
    Tier tier = Tier::kSlots;

    uint64_t size_bytes() const { return unit->cached(tier).size_bytes; }
  };

  CachePolicy& PolicyOf(Tier tier) const;
  uint64_t FreeOf(Tier tier) const;
  bool CountIn(Tier tier, UnitState& unit, HeldUnit& held);  // whether it was a hit
  bool IsUnused(uint32_t model) const;
  TakeResult TakeSlot(UnitState& unit, Tier tier, Claim claim);
  bool TakePinnedSlot(UnitState& unit, Tier tier);
  void GiveSlot(UnitState& unit, Tier tier, absl::Span<uint8_t> slot_dev);
  // By the key of the policy of `tier`'s memory. No unit: it is not known.
  Held FindHeld(Tier tier, uint64_t tier_key);
  std::optional<uint64_t> PlaceForPin(uint64_t size_bytes) const;
  TakeResult MakeRoom(Tier tier, const UnitState& unit, uint64_t free_bytes, Claim claim);
  void Drop(UnitState& unit, Tier tier);
  // Of all models, of those units that can be there at all.
  uint64_t LargestUnitBytes(Tier tier) const;
  uint64_t LargestUnitOf(const CompressedModel& model, Tier tier) const;
  void FixSlot(const UnitState& unit, Tier tier);
  void EndSlotPin(uint64_t key, Tier tier);

  TierParts parts_;
  KeptUnits kept_;
  TierWeights weights_;
  const std::function<void(UnitState&, Tier)> on_evicted_;
  std::unordered_map<uint64_t, std::unique_ptr<UnitState>> units_;
  std::unordered_map<uint32_t, size_t> unit_counts_;  // of units_, by model
  std::array<TierStats, kTierCount> stats_{};         // what does not change at events is asked for
  std::array<TierPins, kTierCount> pins_{};
  PinnedSlots pinned_slots_;
  std::map<uint64_t, Held> units_by_slot_;                                // by offset
  std::array<std::map<uint32_t, uint64_t>, kTierCount> largest_bytes_{};  // by model
  uint64_t now_ms_ = 0;
  std::unordered_map<uint32_t, uint64_t> asked_at_ms_;  // by model, of those that somebody has
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_UNIT_TIERS_H_
