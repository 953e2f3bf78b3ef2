// EngineCore: who gets memory, and from whom.
#include <algorithm>
#include <cassert>
#include <utility>

#include "loader/engine/engine_core.h"
#include "loader/engine/unit_errors.h"

namespace ecf8 {
namespace {

// So many starts of more urgent requests, and then one of a less urgent one that waits.
constexpr uint32_t kMaxBurst = 8;

}  // namespace

void EngineCore::StartWaiting() {
  blocked_ = hungry_ = false;
  // A unit that is decoded is active twice, for its reads and for its jobs.
  while (active_.size() < 2 * kMaxActiveUnits) {
    const std::optional<Priority> urgent = MostUrgent();
    if (!urgent) return;
    const Priority next = NextPriority();
    // Where what has waited long finds no memory, that is no reason to hold up the others.
    if (!StartOneOf(next) && (next == *urgent || !StartOneOf(*urgent))) return;
  }
}

std::optional<Priority> EngineCore::MostUrgent() const {
  for (size_t i = 0; i < kPriorityCount; ++i) {
    if (!waiting_[i].empty()) return static_cast<Priority>(i);
  }
  return std::nullopt;
}

Priority EngineCore::NextPriority() const {
  for (size_t i = 0; i < kPriorityCount; ++i) {
    if (!waiting_[i].empty() && burst_[i] >= kMaxBurst) return static_cast<Priority>(i);
  }
  return *MostUrgent();
}

// Starts the first of its kind that can be; false where none can. Those behind one that finds no
// memory are not tried, or it might wait for ever.
bool EngineCore::StartOneOf(Priority priority) {
  for (const Turn& turn : WaitingOf(priority)) {
    switch (Start(turn)) {
      case StartResult::kStarted:
        CountStart(priority);
        return true;
      case StartResult::kBusy:
        blocked_ = true;
        continue;
      case StartResult::kNoMemory:
        blocked_ = true;
        hungry_ = hungry_ || priority != Priority::kHinted;
        burst_[static_cast<size_t>(priority)] = 0;
        return false;
    }
  }
  return false;
}

void EngineCore::CountStart(Priority priority) {
  const auto started = static_cast<size_t>(priority);
  burst_[started] = 0;
  for (size_t i = started + 1; i < kPriorityCount; ++i) ++burst_[i];
}

// All the memory that the form needs, or none. `turn` is gone afterwards, unless kBusy or
// kNoMemory.
EngineCore::StartResult EngineCore::Start(Turn turn) {
  UnitState& unit = *turn.unit;
  const bool decode = turn.form == UnitForm::kDecoded;
  if (unit.stored.stage == Stage::kDraining || turn.state().stage == Stage::kDraining) {
    return StartResult::kBusy;
  }
  const bool needs_frames = unit.stored.stage == Stage::kAbsent;
  if (decode && !TakeSlot(unit)) return StartResult::kNoMemory;
  if (needs_frames && !TakeFrames(unit)) {
    if (decode) FreeSlot(unit);
    return StartResult::kNoMemory;
  }
  WaitingOf(turn.priority).erase(turn);
  if (decode && needs_frames) {
    // Who waits for the stored bytes gets them, too.
    if (!unit.stored.waiters.empty())
      WaitingOf(unit.stored.priority).erase(TurnOf(unit, UnitForm::kStored));
    unit.stored.priority = turn.priority;
    unit.stored.sequence = turn.sequence;
  }
  if (decode && unit.stored.stage == Stage::kFilling) {
    SetPriority(unit, UnitForm::kStored, turn.priority);
  }
  if (needs_frames) BeginFilling(unit, UnitForm::kStored);
  if (decode) BeginFilling(unit, UnitForm::kDecoded);
  return StartResult::kStarted;
}

bool EngineCore::TakeFrames(UnitState& unit) {
  const uint64_t free = parts_.arena->free_bytes();
  const uint64_t wanted = unit.host_unit.size_bytes;
  if (!MakeRoom(UnitForm::kStored, unit.host_unit, wanted > free ? wanted - free : 0)) {
    return false;
  }
  unit.frames = *parts_.arena->Allocate(unit.unit->stored_size_bytes);
  parts_.host_policy->OnInsert(unit.host_unit);
  ++stats_.host.units;
  return true;
}

bool EngineCore::TakeSlot(UnitState& unit) {
  const uint64_t wanted = unit.slot_unit.size_bytes;
  while (true) {
    const uint64_t free = parts_.slots->free_bytes();
    if (!MakeRoom(UnitForm::kDecoded, unit.slot_unit, wanted > free ? wanted - free : 0)) {
      return false;
    }
    const auto slot = parts_.slots->Allocate(unit.unit->decoded_size_bytes);
    if (slot) {
      unit.slot = *slot;
      parts_.slot_policy->OnInsert(unit.slot_unit);
      ++stats_.slots.units;
      return true;
    }
    // Enough is free, but not in one run.
    if (!MakeRoom(UnitForm::kDecoded, unit.slot_unit, kSlotPageBytes)) return false;
  }
}

bool EngineCore::MakeRoom(UnitForm form, const CacheUnit& unit, uint64_t missing_bytes) {
  const bool stored = form == UnitForm::kStored;
  const auto can_evict = [&](uint64_t key) {
    const auto found = units_.find(key);
    return found != units_.end() &&
           (stored ? found->second->stored_is_idle() : found->second->decoded_is_idle());
  };
  std::vector<uint64_t> victims;
  CachePolicy& policy = stored ? *parts_.host_policy : *parts_.slot_policy;
  if (!policy.Admit(unit, missing_bytes, /*must=*/true, can_evict, &victims)) return false;
  for (const uint64_t key : victims) {
    UnitState& victim = *units_.at(key);
    ++(stored ? stats_.host : stats_.slots).evictions;
    victim.form(form).stage = Stage::kAbsent;
    Observe(EngineEvent::Kind::kEvicted, victim, form);
    stored ? FreeFrames(victim) : FreeSlot(victim);
    ForgetIfAbsent(victim);
  }
  return true;
}

void EngineCore::FreeFrames(UnitState& unit) {
  --stats_.host.units;
  parts_.arena->Free(unit.frames);
  unit.frames.clear();
  parts_.host_policy->OnEvict(unit.key);
  retry_ = true;
}

void EngineCore::FreeSlot(UnitState& unit) {
  --stats_.slots.units;
  parts_.slots->Free(unit.slot);
  unit.slot = {};
  parts_.slot_policy->OnEvict(unit.key);
  retry_ = true;
}

void EngineCore::Tick() {
  if (!blocked_) return;
  for (const auto& [key, unit] : units_) {
    RevokeIdle(unit->stored);
    RevokeIdle(unit->decoded);
    FinishDraining(*unit);
  }
  std::erase_if(units_, [](const auto& entry) { return entry.second->forgotten(); });
}

void EngineCore::RevokeIdle(FormState& form) {
  if (form.stage == Stage::kDraining) DropFailed(form);
  if (form.stage != Stage::kReady || !hungry_) return;
  std::erase_if(form.holders, [this](const std::shared_ptr<HeldUnit>& held) {
    if (!held->request().revocable || held->used_.exchange(false) || !held->TryRevoke()) {
      return false;
    }
    Tell(held);
    ++stats_.revoked_holds;
    retry_ = true;
    return true;
  });
}

}  // namespace ecf8
