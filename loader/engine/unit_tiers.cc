#include "loader/engine/unit_tiers.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/unit_place.h"
#include "loader/engine/unit_errors.h"

namespace ecf8 {
namespace {

constexpr std::array<Tier, kTierCount> kTiers = {Tier::kSlots, Tier::kStoredSlots, Tier::kDevice,
                                                 Tier::kHost};

// Those that a request looks in, from the best to the last resort.
absl::Span<const Tier> TiersFor(UnitForm form) {
  static constexpr Tier kStored[] = {Tier::kHost};
  static constexpr Tier kDecoded[] = {Tier::kSlots, Tier::kDevice, Tier::kHost};
  static constexpr Tier kStoredInSlot[] = {Tier::kStoredSlots, Tier::kHost};
  switch (form) {
    case UnitForm::kStored:
      return kStored;
    case UnitForm::kDecoded:
      return kDecoded;
    case UnitForm::kStoredInSlot:
      return kStoredInSlot;
  }
  return {};
}

Access AccessFor(Tier tier, Priority priority) {
  // The device's frames are used when the unit is decoded, which is now. A hint would have them
  // kept for a demand that reads the slot.
  if (tier == Tier::kDevice && priority == Priority::kHinted) return Access::kDemand;
  return static_cast<Access>(priority);
}

}  // namespace

UnitTiers::UnitTiers(const TierParts& parts, std::function<void(UnitState&, Tier)> on_evicted)
    : parts_(parts),
      kept_(*parts.arena, parts.kept),
      weights_(parts.costs, *parts.host_policy, *parts.slot_policy),
      on_evicted_(std::move(on_evicted)),
      pinned_slots_(parts.slots->capacity_bytes()) {}

// The ledger stays as it is: what lies in the arena is the next process's.
UnitTiers::~UnitTiers() {
  parts_.ledger = nullptr;
  for (const auto& [key, unit] : units_) {
    for (const Tier tier : kTiers) {
      if (unit->has(tier)) Free(*unit, tier);
    }
  }
}

CachePolicy& UnitTiers::PolicyOf(Tier tier) const {
  switch (tier) {
    case Tier::kHost:
      return *parts_.host_policy;
    case Tier::kDevice:
      return *parts_.device_policy;
    case Tier::kSlots:
    case Tier::kStoredSlots:
      return *parts_.slot_policy;
  }
  assert(false);
  return *parts_.host_policy;
}

uint64_t UnitTiers::CapacityOf(Tier tier) const {
  if (tier == Tier::kHost) return parts_.arena->capacity_bytes();
  return tier == Tier::kDevice ? parts_.frames->capacity_bytes() : parts_.slots->capacity_bytes();
}

uint64_t UnitTiers::FreeOf(Tier tier) const {
  if (tier == Tier::kHost) return parts_.arena->free_bytes();
  return tier == Tier::kDevice ? parts_.frames->free_bytes() : parts_.slots->free_bytes();
}

uint64_t UnitTiers::SizeIn(Tier tier, const Unit& unit) const {
  if (tier == Tier::kHost) return RoundUp(unit.stored_size_bytes, kFrameBytes);
  return tier == Tier::kDevice ? parts_.frames->FrameBytes(unit.stored_size_bytes)
                               : SlotSpace::SlotBytes(ecf8::SizeIn(FormIn(tier), unit));
}

void UnitTiers::AddModel(uint32_t number, const CompressedModel& model) {
  for (const Tier tier : kTiers) {
    ModelWalk walk{.model = CacheKeyModel(TierKey(tier, CacheKey(number, 0))), .units = {}};
    for (uint32_t i = 0; i < model.unit_count(); ++i) {
      const Unit& unit = model.unit(i);
      const UnitPlace place = PlaceOfUnit(unit.id);
      walk.units.push_back({SizeIn(tier, unit), place.layer, place.expert});
    }
    PolicyOf(tier).AddModel(walk);
    largest_bytes_[static_cast<size_t>(tier)][number] = LargestUnitOf(model, tier);
  }
  unit_counts_.emplace(number, 0);
}

void UnitTiers::RemoveModel(uint32_t number) {
  assert(CountUnitsOf(number) == 0);
  for (const Tier tier : kTiers) {
    PolicyOf(tier).RemoveModel(CacheKeyModel(TierKey(tier, CacheKey(number, 0))));
    largest_bytes_[static_cast<size_t>(tier)].erase(number);
  }
  unit_counts_.erase(number);
  asked_at_ms_.erase(number);
}

size_t UnitTiers::CountUnitsOf(uint32_t model) const { return unit_counts_.at(model); }

absl::Status UnitTiers::CheckFits(const CompressedModel& model, const Unit& unit,
                                  UnitForm form) const {
  const auto check = [&](Tier tier) {
    const uint64_t needed_bytes = SizeIn(tier, unit);
    const uint64_t capacity_bytes = CapacityOf(tier);
    if (needed_bytes <= capacity_bytes) return absl::OkStatus();
    return DoesNotFit(model, unit, tier, needed_bytes - capacity_bytes);
  };
  ECF8_RETURN_IF_ERROR(check(Tier::kHost));
  return form == UnitForm::kStored ? absl::OkStatus() : check(TierOf(form));
}

UnitState* UnitTiers::Find(uint64_t key) {
  const auto found = units_.find(key);
  return found == units_.end() ? nullptr : found->second.get();
}

const UnitState* UnitTiers::Find(uint64_t key) const {
  const auto found = units_.find(key);
  return found == units_.end() ? nullptr : found->second.get();
}

UnitState& UnitTiers::Add(std::unique_ptr<UnitState> unit) {
  const UnitPlace place = PlaceOfUnit(unit->unit->id);
  for (const Tier tier : kTiers) {
    const uint64_t key = TierKey(tier, unit->key);
    unit->cached(tier) = {key, SizeIn(tier, *unit->unit), place.layer, place.expert,
                          CacheKeyModel(key)};
  }
  std::unique_ptr<UnitState>& place_of_unit = units_[unit->key];
  assert(place_of_unit == nullptr);
  place_of_unit = std::move(unit);
  ++unit_counts_.at(CacheKeyModel(place_of_unit->key));
  return *place_of_unit;
}

void UnitTiers::ForgetIfAbsent(UnitState& unit) {
  if (!unit.forgotten()) return;
  --unit_counts_.at(CacheKeyModel(unit.key));
  units_.erase(unit.key);
}

void UnitTiers::CountRequest(UnitState& unit, HeldUnit& held) {
  const UnitRequest& request = held.request();
  asked_at_ms_[request.model] = now_ms_;
  if (request.form != UnitForm::kDecoded) {
    unit.asked_stored = true;
    Reweigh(unit);
  }
  if (request.priority == Priority::kPreload) {
    CountIn(request.for_frames ? Tier::kDevice : TierOf(request.form), unit, held);
    return;
  }
  for (const Tier tier : TiersFor(request.form)) {
    if (CountIn(tier, unit, held)) return;
  }
}

bool UnitTiers::CountIn(Tier tier, UnitState& unit, HeldUnit& held) {
  if (CapacityOf(tier) == 0) return false;
  // Who waits for another form waits for the stored bytes, too.
  const bool is_waited_for = tier == Tier::kHost     ? unit.has_waiters()
                             : tier == Tier::kDevice ? !unit.decoded.waiters.empty()
                                                     : !unit.form(FormIn(tier)).waiters.empty();
  const bool hit = unit.has(tier) || is_waited_for;
  TierStats& stats = stats_[static_cast<size_t>(tier)];
  ++(hit ? stats.hits : stats.misses);
  PolicyOf(tier).OnAccess(unit.cached(tier), AccessFor(tier, held.request().priority),
                          unit.has(tier));
  held.asked_tiers_[static_cast<size_t>(tier)] = true;
  return hit;
}

// The tiers that the hint has asked are now asked for good; the device's frames were at once.
void UnitTiers::CountRaise(const UnitState& unit, const HeldUnit& held, Priority priority) {
  asked_at_ms_[held.request().model] = now_ms_;
  for (const Tier tier : {Tier::kSlots, Tier::kStoredSlots, Tier::kHost}) {
    if (!held.asked_tiers_[static_cast<size_t>(tier)]) continue;
    PolicyOf(tier).OnAccess(unit.cached(tier), AccessFor(tier, priority), unit.has(tier));
  }
}

bool UnitTiers::IsUnused(uint32_t model) const {
  const auto found = asked_at_ms_.find(model);
  return found == asked_at_ms_.end() || now_ms_ - found->second >= kUnusedAfterMs;
}

TakeResult UnitTiers::Take(UnitState& unit, Tier tier, Claim claim) {
  assert(unit.stage(tier) == Stage::kAbsent);
  if (pins(tier).Has(unit.key)) claim = Claim::kMust;
  const TakeResult room = AreSlots(tier)
                              ? TakeSlot(unit, tier, claim)
                              : MakeRoom(tier, unit, unit.cached(tier).size_bytes, claim);
  if (room != TakeResult::kTaken) return room;
  if (!AreSlots(tier)) {
    const uint64_t size_bytes = unit.unit->stored_size_bytes;
    if (tier == Tier::kHost) {
      unit.frames = *parts_.arena->Allocate(size_bytes);
    } else {
      unit.frames_dev = *parts_.frames->Allocate(size_bytes);
    }
  }
  PolicyOf(tier).OnInsert(unit.cached(tier));
  ++stats_[static_cast<size_t>(tier)].units;
  Reweigh(unit);
  return TakeResult::kTaken;
}

TakeResult UnitTiers::TakeSlot(UnitState& unit, Tier tier, Claim claim) {
  if (TakePinnedSlot(unit, tier)) return TakeResult::kTaken;
  uint64_t wanted_bytes = unit.cached(tier).size_bytes;
  TakeResult room = MakeRoom(tier, unit, wanted_bytes, claim);
  while (room == TakeResult::kTaken) {
    const auto slot = parts_.slots->Allocate(ecf8::SizeIn(FormIn(tier), *unit.unit));
    if (slot) {
      GiveSlot(unit, tier, *slot);
      break;
    }
    // Enough is free, but not in one run.
    wanted_bytes = parts_.slots->free_bytes() + kSlotPageBytes;
    room = MakeRoom(tier, unit, wanted_bytes, claim);
  }
  return room;
}

void UnitTiers::GiveSlot(UnitState& unit, Tier tier, absl::Span<uint8_t> slot_dev) {
  if (tier == Tier::kSlots) {
    unit.slot_dev = slot_dev;
  } else {
    unit.stored_slot_dev = {slot_dev};
  }
  if (!slot_dev.empty()) units_by_slot_[parts_.slots->OffsetOf(slot_dev)] = {&unit, tier};
}

UnitTiers::Held UnitTiers::FindHeld(Tier tier, uint64_t tier_key) {
  if (!AreSlots(tier)) return {Find(tier_key), tier};
  return {Find(UnitKeyOf(tier_key)), SlotTierOf(tier_key)};
}

// So that `free_bytes` are free.
TakeResult UnitTiers::MakeRoom(Tier tier, const UnitState& unit, uint64_t free_bytes, Claim claim) {
  const auto may_go = [&](const Held& held) {
    return !IsHeldByPin(held.tier, *held.unit) &&
           (claim != Claim::kIfUnused || IsUnused(CacheKeyModel(held.unit->key)));
  };
  const auto can_evict = [&](uint64_t key) {
    const Held held = FindHeld(tier, key);
    return held.unit != nullptr && held.unit->is_idle(held.tier) && may_go(held);
  };
  while (tier == Tier::kHost && FreeOf(tier) < free_bytes) {
    const std::optional<KeptUnit> kept = kept_.TakeAny();
    if (!kept) break;
    FreeKept(*kept);
  }
  const uint64_t free_now = FreeOf(tier);
  const uint64_t missing_bytes = free_bytes > free_now ? free_bytes - free_now : 0;
  const bool must = claim != Claim::kIfWorthMore;
  CachePolicy& policy = PolicyOf(tier);
  std::vector<uint64_t> victims;
  if (policy.Admit(unit.cached(tier), missing_bytes, must, can_evict, &victims)) {
    for (const uint64_t key : victims) {
      const Held victim = FindHeld(tier, key);
      Evict(*victim.unit, victim.tier);
    }
    return TakeResult::kTaken;
  }
  if (claim != Claim::kIfUnused) return must ? TakeResult::kInUse : TakeResult::kNotWorth;
  // What nobody leases is idle before long.
  const auto can_go_soon = [&](uint64_t key) {
    const Held held = FindHeld(tier, key);
    return held.unit != nullptr && !held.unit->is_leased(held.tier) && may_go(held);
  };
  return policy.Admit(unit.cached(tier), missing_bytes, must, can_go_soon, &victims)
             ? TakeResult::kInUse
             : TakeResult::kNotWorth;
}

void UnitTiers::Evict(UnitState& unit, Tier tier) {
  ++stats_[static_cast<size_t>(tier)].evictions;
  Drop(unit, tier);
  ForgetIfAbsent(unit);
}

bool UnitTiers::ClearSlotEnd() {
  bool is_clear = true;
  auto next = units_by_slot_.end();
  while (next != units_by_slot_.begin()) {
    const auto last = std::prev(next);
    const uint64_t offset_bytes = last->first;
    const Held held = last->second;
    if (offset_bytes + held.size_bytes() <= parts_.slots->limit_bytes()) break;
    next = last;
    if (!held.unit->is_idle(held.tier)) {
      is_clear = false;
      continue;
    }
    Evict(*held.unit, held.tier);
    next = units_by_slot_.lower_bound(offset_bytes);
  }
  return is_clear;
}

bool UnitTiers::DropIdle(UnitState& unit) {
  // Those who wait are about to use what there is.
  if (unit.has_waiters()) return false;
  bool dropped = false;
  for (const Tier tier : kTiers) {
    if (!unit.is_idle(tier)) continue;
    Drop(unit, tier);
    dropped = true;
  }
  return dropped;
}

void UnitTiers::FreeKept(const KeptUnit& unit) {
  if (parts_.ledger != nullptr) parts_.ledger->Erase(parts_.arena->RunsOf(unit.frames));
  parts_.arena->Free(unit.frames);
}

void UnitTiers::Adopt(UnitState& unit, Extents frames) {
  assert(unit.stored.stage == Stage::kAbsent);
  unit.stored.stage = Stage::kKept;
  unit.frames = std::move(frames);
  PolicyOf(Tier::kHost).OnInsert(unit.cached(Tier::kHost));
  ++stats_[static_cast<size_t>(Tier::kHost)].units;
  Reweigh(unit);
}

void UnitTiers::Record(const UnitState& unit) {
  if (parts_.ledger == nullptr) return;
  parts_.ledger->Write({.model_digest = unit.model->digest_value(),
                        .unit_index = unit.unit_index,
                        .stored_size_bytes = unit.unit->stored_size_bytes,
                        .frames = parts_.arena->RunsOf(unit.frames)});
}

void UnitTiers::MarkRead(const PlannedRead& read, bool reading) {
  if (parts_.ledger == nullptr) return;
  const auto offset_bytes = static_cast<uint64_t>(read.data - parts_.arena->memory().data());
  parts_.ledger->Mark(
      {offset_bytes / kFrameBytes, RoundUp(read.size_bytes, kFrameBytes) / kFrameBytes}, reading);
}

// What the process before has left is nobody's news.
void UnitTiers::Drop(UnitState& unit, Tier tier) {
  if (unit.stage(tier) != Stage::kKept) on_evicted_(unit, tier);
  unit.stage(tier) = Stage::kAbsent;
  Free(unit, tier);
}

void UnitTiers::Free(UnitState& unit, Tier tier) {
  --stats_[static_cast<size_t>(tier)].units;
  switch (tier) {
    case Tier::kHost:
      if (parts_.ledger != nullptr) parts_.ledger->Erase(parts_.arena->RunsOf(unit.frames));
      parts_.arena->Free(unit.frames);
      unit.frames.clear();
      unit.asked_stored = false;
      break;
    case Tier::kDevice:
      parts_.frames->Free(unit.frames_dev);
      unit.frames_dev.clear();
      break;
    case Tier::kSlots:
    case Tier::kStoredSlots: {
      const absl::Span<uint8_t> slot_dev = unit.slot_dev_in(tier);
      if (!slot_dev.empty()) {
        units_by_slot_.erase(parts_.slots->OffsetOf(slot_dev));
        pinned_slots_.Remove(parts_.slots->OffsetOf(slot_dev));
      }
      parts_.slots->Free(slot_dev);
      tier == Tier::kSlots ? void(unit.slot_dev = {}) : unit.stored_slot_dev.clear();
      break;
    }
  }
  PolicyOf(tier).OnEvict(unit.cached(tier).key);
  Reweigh(unit);
}

void UnitTiers::Reweigh(const UnitState& unit) {
  weights_.Reweigh(unit.key,
                   {.stored_bytes = unit.unit->stored_size_bytes,
                    .decoded_bytes = unit.unit->decoded_size_bytes,
                    .slot_bytes = unit.cached(Tier::kSlots).size_bytes},
                   {.in_host = unit.has(Tier::kHost),
                    .on_device = unit.stage(Tier::kDevice) == Stage::kReady,
                    .asked_stored = unit.asked_stored});
  const CacheUnit& in_slot = unit.cached(Tier::kStoredSlots);
  weights_.ReweighStoredSlot(in_slot.key, unit.unit->stored_size_bytes, in_slot.size_bytes,
                             unit.has(Tier::kHost));
}

TierStats UnitTiers::stats(Tier tier) const {
  TierStats stats = stats_[static_cast<size_t>(tier)];
  stats.capacity_bytes = CapacityOf(tier);
  stats.free_bytes = FreeOf(tier);
  stats.pinned = pins(tier).totals();
  return stats;
}

TierStats UnitTiers::slot_stats() const {
  TierStats all = stats(Tier::kSlots);
  const TierStats stored = stats(Tier::kStoredSlots);
  all.units += stored.units;
  all.pinned += stored.pinned;
  all.hits += stored.hits;
  all.misses += stored.misses;
  all.evictions += stored.evictions;
  return all;
}

}  // namespace ecf8
