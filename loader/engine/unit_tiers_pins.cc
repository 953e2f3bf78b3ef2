// UnitTiers: what is pinned, and where pinned slots lie.
#include <algorithm>
#include <iterator>
#include <vector>

#include "loader/engine/unit_tiers.h"

namespace ecf8 {

uint64_t UnitTiers::Pin(const UnitSet& set, const CompressedModel& model, PinReason reason) {
  TierPins& pins = pins_[static_cast<size_t>(set.tier)];
  std::vector<SlotGrants::SlotPin> added;
  uint64_t needed_bytes = PinnedBytes(set.tier) + RoomBytes(set.tier);
  for (const uint32_t index : set.units) {
    const uint64_t key = CacheKey(set.model, index);
    if (pins.Has(key)) continue;
    added.push_back({TierKey(set.tier, key), SizeIn(set.tier, model.unit(index))});
    needed_bytes += added.back().size_bytes;
  }
  const uint64_t capacity_bytes =
      AreSlots(set.tier) ? parts_.slots->limit_bytes() : CapacityOf(set.tier);
  if (!added.empty() && needed_bytes > capacity_bytes) return needed_bytes - capacity_bytes;
  if (AreSlots(set.tier)) {
    if (const uint64_t missing_bytes = parts_.grants->Pin(added)) return missing_bytes;
  }
  for (const uint32_t index : set.units) {
    const uint64_t key = CacheKey(set.model, index);
    const uint64_t size_bytes = SizeIn(set.tier, model.unit(index));
    reason == PinReason::kKept ? pins.Keep(key, size_bytes) : pins.Hold(key, size_bytes);
  }
  for (const SlotGrants::SlotPin& pin : added) {
    if (!AreSlots(set.tier)) break;
    UnitState* const unit = Find(UnitKeyOf(pin.key));
    if (unit == nullptr || !unit->has(set.tier)) continue;
    FixSlot(*unit, set.tier);
    // It comes back to a better place.
    if (!IsHeldByPin(set.tier, *unit) && unit->is_idle(set.tier)) Evict(*unit, set.tier);
  }
  return 0;
}

UnpinReport UnitTiers::Unpin(const UnitSet& set, PinReason reason) {
  TierPins& pins = pins_[static_cast<size_t>(set.tier)];
  UnpinReport report;
  for (const uint32_t index : set.units) {
    const uint64_t key = CacheKey(set.model, index);
    if (!pins.Has(key)) continue;
    const uint64_t size_bytes = pins.size_bytes_of(key);
    reason == PinReason::kKept ? pins.Unkeep(key) : pins.Unhold(key);
    (pins.Has(key) ? report.held : report.removed).Add(size_bytes);
    if (AreSlots(set.tier) && !pins.Has(key)) EndSlotPin(key, set.tier);
  }
  return report;
}

void UnitTiers::DropPinsOf(uint32_t model) {
  for (const Tier tier : {Tier::kHost, Tier::kDevice, Tier::kSlots, Tier::kStoredSlots}) {
    TierPins& pins = pins_[static_cast<size_t>(tier)];
    for (const uint64_t key : pins.KeysOf(model)) {
      pins.Drop(key);
      if (AreSlots(tier)) EndSlotPin(key, tier);
    }
  }
}

void UnitTiers::EndSlotPin(uint64_t key, Tier tier) {
  parts_.grants->Unpin(TierKey(tier, key));
  const UnitState* const unit = Find(key);
  if (unit != nullptr && !unit->slot_dev_in(tier).empty()) {
    pinned_slots_.Remove(parts_.slots->OffsetOf(unit->slot_dev_in(tier)));
  }
}

uint64_t UnitTiers::PinnedBytes(Tier tier) const {
  if (!AreSlots(tier)) return pins(tier).totals().bytes;
  return pins(Tier::kSlots).totals().bytes + pins(Tier::kStoredSlots).totals().bytes;
}

MemoryHolders UnitTiers::HoldersOf(Tier tier) const {
  MemoryHolders holders;
  if (AreSlots(tier)) {
    holders = parts_.grants->holders();
  } else {
    for (const auto& [model, pinned] : pins(tier).by_model()) {
      holders.pinned_bytes[model] = pinned.bytes;
    }
  }
  return holders;
}

bool UnitTiers::IsHeldByPin(Tier tier, const UnitState& unit) const {
  if (!pins(tier).Has(unit.key)) return false;
  if (!AreSlots(tier)) return true;
  const absl::Span<const uint8_t> slot_dev = unit.slot_dev_in(tier);
  return slot_dev.empty() || pinned_slots_.Has(parts_.slots->OffsetOf(slot_dev));
}

// A pinned unit's slot stays where it is, if that leaves a run for any other unit.
void UnitTiers::FixSlot(const UnitState& unit, Tier tier) {
  const absl::Span<const uint8_t> slot_dev = unit.slot_dev_in(tier);
  if (slot_dev.empty()) return;
  const uint64_t offset_bytes = parts_.slots->OffsetOf(slot_dev);
  const uint64_t size_bytes = slot_dev.size();
  if (pinned_slots_.LeavesRun(offset_bytes, size_bytes, LargestUnitBytes(Tier::kSlots))) {
    pinned_slots_.Add(offset_bytes, size_bytes);
  }
}

uint64_t UnitTiers::LargestUnitBytes(Tier tier) const {
  uint64_t largest_bytes = 0;
  for (const Tier same :
       {tier, AreSlots(tier) ? Tier::kSlots : tier, AreSlots(tier) ? Tier::kStoredSlots : tier}) {
    for (const auto& [model, bytes] : largest_bytes_[static_cast<size_t>(same)]) {
      largest_bytes = std::max(largest_bytes, bytes);
    }
  }
  return largest_bytes;
}

// Of those that can be there at all.
uint64_t UnitTiers::LargestUnitOf(const CompressedModel& model, Tier tier) const {
  uint64_t largest_bytes = 0;
  for (uint32_t i = 0; i < model.unit_count(); ++i) {
    const uint64_t size_bytes = SizeIn(tier, model.unit(i));
    if (size_bytes <= CapacityOf(tier)) largest_bytes = std::max(largest_bytes, size_bytes);
  }
  return largest_bytes;
}

uint64_t UnitTiers::ShortfallBesidePins(const CompressedModel& model, Tier tier,
                                        std::optional<uint32_t> replaced) const {
  uint64_t pinned_bytes = PinnedBytes(tier);
  for (const Tier pinned : {Tier::kHost, Tier::kSlots, Tier::kStoredSlots}) {
    if (!replaced || (pinned != tier && !(AreSlots(pinned) && AreSlots(tier)))) continue;
    const auto found = pins(pinned).by_model().find(*replaced);
    if (found != pins(pinned).by_model().end()) pinned_bytes -= found->second.bytes;
  }
  const uint64_t largest_bytes = LargestUnitOf(model, tier);
  if (pinned_bytes == 0 || largest_bytes <= RoomBytes(tier)) return 0;
  const uint64_t needed_bytes = pinned_bytes + largest_bytes;
  if (needed_bytes > CapacityOf(tier)) return needed_bytes - CapacityOf(tier);
  // What owners of runs have comes back, and so does what a replaced model has.
  const bool is_whole = parts_.slots->limit_bytes() == CapacityOf(tier);
  if (!AreSlots(tier) || !is_whole || pinned_bytes < PinnedBytes(tier)) return 0;
  const bool has_run = pinned_slots_.LeavesRun(CapacityOf(tier), 0, largest_bytes);
  return has_run ? 0 : largest_bytes - RoomBytes(tier);
}

uint64_t UnitTiers::RoomBytes(Tier tier) const {
  return tier == Tier::kDevice ? 0 : LargestUnitBytes(tier);
}

// Pinned slots go to the end of the memory, close together, so that they leave one long run to all
// others. What is idle there gives way. False where the unit is not pinned, or no place will do.
bool UnitTiers::TakePinnedSlot(UnitState& unit, Tier tier) {
  const uint64_t size_bytes = unit.cached(tier).size_bytes;
  if (!pins(tier).Has(unit.key) || size_bytes == 0) return false;
  const std::optional<uint64_t> place = PlaceForPin(size_bytes);
  if (!place) return false;
  auto next = units_by_slot_.lower_bound(*place + size_bytes);
  while (next != units_by_slot_.begin()) {
    const Held there = std::prev(next)->second;
    if (std::prev(next)->first + there.size_bytes() <= *place) break;
    Evict(*there.unit, there.tier);
    next = units_by_slot_.lower_bound(*place + size_bytes);
  }
  GiveSlot(unit, tier, parts_.slots->AllocateAt(*place, ecf8::SizeIn(FormIn(tier), *unit.unit)));
  pinned_slots_.Add(*place, size_bytes);
  return true;
}

// The last place where nothing lies but what is free or idle, and which leaves a run for any unit.
std::optional<uint64_t> UnitTiers::PlaceForPin(uint64_t size_bytes) const {
  const uint64_t run_bytes = LargestUnitBytes(Tier::kSlots);
  uint64_t end = parts_.slots->limit_bytes();
  // The gaps between what must stay, from the end on.
  for (auto slot = units_by_slot_.rbegin();; ++slot) {
    const bool is_last = slot == units_by_slot_.rend();
    if (!is_last && slot->second.unit->is_idle(slot->second.tier) &&
        !IsHeldByPin(slot->second.tier, *slot->second.unit)) {
      continue;
    }
    const uint64_t begin = is_last ? 0 : slot->first + slot->second.size_bytes();
    if (end - begin >= size_bytes &&
        pinned_slots_.LeavesRun(end - size_bytes, size_bytes, run_bytes)) {
      return end - size_bytes;
    }
    if (is_last) return std::nullopt;
    end = slot->first;
  }
}

}  // namespace ecf8
