// EngineCore: what of a model is in a tier, and what is to be there.
#include <algorithm>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/engine/engine_core.h"
#include "loader/engine/unit_errors.h"

namespace ecf8 {

absl::StatusOr<std::shared_ptr<const CompressedModel>> EngineCore::ServedModelOf(
    const UnitSet& set) const {
  MutexLock lock(models_mutex_);
  const auto found = models_.find(set.model);
  if (found == models_.end()) return ModelIsGone("");
  const Model& model = found->second;
  if (model.retired) return ModelIsGone(model.opened.model->name());
  return model.opened.model;
}

absl::Status EngineCore::RefuseSet(const UnitSet& set, uint64_t shortfall_bytes,
                                   MemoryHolders holders) const {
  const auto name_of = [this](uint32_t model) { return NameOfModel(model); };
  return DoNotFit(NameOfModel(set.model), set.tier, shortfall_bytes, HoldersText(holders, name_of));
}

absl::StatusOr<std::vector<uint32_t>> EngineCore::PlanPreload(const UnitSet& set) const {
  ECF8_ASSIGN_OR_RETURN(const auto served, ServedModelOf(set));
  const CompressedModel& model = *served;
  const UnitForm form = FormFor(set.tier);
  MemoryHolders holders = tiers_.HoldersOf(set.tier);
  uint64_t needed_bytes = 0;
  for (const uint32_t index : set.units) {
    ECF8_RETURN_IF_ERROR(tiers_.CheckFits(model, model.unit(index), form));
    const uint64_t size_bytes = tiers_.SizeIn(set.tier, model.unit(index));
    needed_bytes += size_bytes;
    if (tiers_.pins(set.tier).Has(CacheKey(set.model, index))) {
      holders.pinned_bytes[set.model] -= size_bytes;  // the memory that it is to have
    }
  }
  needed_bytes += holders.session_bytes;
  for (const auto& [number, bytes] : holders.pinned_bytes) needed_bytes += bytes;
  const uint64_t capacity_bytes = tiers_.CapacityOf(set.tier);
  if (needed_bytes > capacity_bytes) {
    return RefuseSet(set, needed_bytes - capacity_bytes, std::move(holders));
  }
  return AbsentOf(set);
}

std::vector<uint32_t> EngineCore::AbsentOf(const UnitSet& set) const {
  std::vector<uint32_t> absent;
  for (const uint32_t index : set.units) {
    const UnitState* const unit = tiers_.Find(CacheKey(set.model, index));
    if (unit == nullptr || unit->stage(set.tier) != Stage::kReady) absent.push_back(index);
  }
  return absent;
}

absl::StatusOr<UnitTotals> EngineCore::Pin(const UnitSet& set, PinReason reason) {
  ECF8_ASSIGN_OR_RETURN(const auto served, ServedModelOf(set));
  const CompressedModel& model = *served;
  for (const uint32_t index : set.units) {
    const UnitForm form = FormFor(set.tier);
    ECF8_RETURN_IF_ERROR(tiers_.CheckFits(model, model.unit(index), form));
  }
  const UnitTotals before = tiers_.pins(set.tier).totals();
  if (const uint64_t missing_bytes = tiers_.Pin(set, model, reason)) {
    MemoryHolders holders = tiers_.HoldersOf(set.tier);
    holders.room_bytes = tiers_.RoomBytes(set.tier);
    return RefuseSet(set, missing_bytes, std::move(holders));
  }
  const UnitTotals after = tiers_.pins(set.tier).totals();
  ++pin_changes_;
  retry_ = true;  // a preload that waits may have now what it wants
  return UnitTotals{.units = after.units - before.units, .bytes = after.bytes - before.bytes};
}

UnpinReport EngineCore::Unpin(const UnitSet& set, PinReason reason) {
  const UnpinReport report = tiers_.Unpin(set, reason);
  ++pin_changes_;
  retry_ = true;
  return report;
}

absl::Status EngineCore::CheckRoomFor(const CompressedModel& model,
                                      std::optional<uint32_t> replaced) const {
  for (const Tier tier : {Tier::kHost, Tier::kSlots, Tier::kStoredSlots}) {
    const uint64_t shortfall_bytes = tiers_.ShortfallBesidePins(model, tier, replaced);
    if (shortfall_bytes == 0) continue;
    MemoryHolders holders = tiers_.HoldersOf(tier);
    holders.session_bytes = 0;  // they come and go
    if (replaced) holders.pinned_bytes.erase(*replaced);
    const auto name_of = [this](uint32_t number) { return NameOfModel(number); };
    return DoNotFit(model.name(), tier, shortfall_bytes, HoldersText(holders, name_of));
  }
  return absl::OkStatus();
}

std::vector<PinnedModel> EngineCore::ListPins() const {
  std::vector<PinnedModel> list;
  for (const Tier tier : {Tier::kHost, Tier::kDevice, Tier::kSlots, Tier::kStoredSlots}) {
    for (const auto& [model, pinned] : tiers_.pins(tier).by_model()) {
      list.push_back({.model = NameOfModel(model), .tier = tier, .pinned = pinned});
    }
  }
  return list;
}

EvictReport EngineCore::Evict(const UnitSet& set) {
  EvictReport report;
  for (const uint32_t index : set.units) {
    UnitState* const unit = tiers_.Find(CacheKey(set.model, index));
    if (unit == nullptr || unit->stage(set.tier) == Stage::kAbsent) continue;
    const uint64_t size_bytes = unit->cached(set.tier).size_bytes;
    if (tiers_.pins(set.tier).Has(unit->key)) {
      report.pinned.Add(size_bytes);
    } else if (!unit->is_idle(set.tier)) {
      report.in_use.Add(size_bytes);
    } else {
      report.freed.Add(size_bytes);
      tiers_.Evict(*unit, set.tier);
    }
  }
  retry_ = true;
  return report;
}

}  // namespace ecf8
