// EngineCore: who gets memory, and who has to give way.
#include <algorithm>
#include <utility>

#include "loader/engine/engine_core.h"

namespace ecf8 {

void EngineCore::StartWaiting() {
  blocked_ = hungry_ = false;
  // A unit that is decoded is active twice, for its reads and for its jobs.
  while (active_.size() < 2 * kMaxActiveUnits) {
    const std::optional<Priority> urgent = waiting_.MostUrgent();
    if (!urgent) return;
    const Priority next = waiting_.Next();
    // Where what has waited long finds no memory, that is no reason to hold up the others.
    if (!StartOneOf(next) && (next == *urgent || !StartOneOf(*urgent))) return;
  }
}

// Starts the first of its kind that can be; false where none can. Those behind one that finds no
// memory are not tried, or it might wait for ever.
bool EngineCore::StartOneOf(Priority priority) {
  StartResult result = StartResult::kBusy;
  waiting_.ForEachOf(priority, [&](const Turn& turn) {
    result = Start(turn);
    blocked_ = blocked_ || result != StartResult::kStarted;
    return result == StartResult::kBusy;
  });
  if (result == StartResult::kNoMemory) {
    hungry_ = hungry_ || priority != Priority::kHinted;
    waiting_.CountRefusal(priority);
  }
  return result == StartResult::kStarted;
}

// All the memory that the form needs, or none. `turn` is gone afterwards, unless kBusy or
// kNoMemory.
EngineCore::StartResult EngineCore::Start(Turn turn) {
  UnitState& unit = *turn.unit;
  const bool decode = turn.form == UnitForm::kDecoded;
  const bool needs_host = !decode || !unit.decodes_from_frames();
  if (turn.state().stage == Stage::kDraining ||
      (needs_host && unit.stored.stage == Stage::kDraining)) {
    return StartResult::kBusy;
  }
  const bool reads = needs_host && unit.stored.stage == Stage::kAbsent;
  if (decode && !tiers_.Take(unit, Tier::kSlots)) return StartResult::kNoMemory;
  if (reads && !tiers_.Take(unit, Tier::kHost)) {
    if (decode) tiers_.Free(unit, Tier::kSlots);
    return StartResult::kNoMemory;
  }
  waiting_.Start(turn);
  turn.state().sequence = next_sequence_++;  // from here on in the order of the starts
  if (decode && needs_host && tiers_.Take(unit, Tier::kDevice)) unit.device = Stage::kFilling;
  if (decode && reads) {
    // Who waits for the stored bytes gets them, too.
    if (!unit.stored.waiters.empty()) waiting_.Erase(TurnOf(unit, UnitForm::kStored));
    unit.stored.priority = turn.priority;
    unit.stored.sequence = unit.decoded.sequence;
  }
  if (decode && needs_host && unit.stored.stage == Stage::kFilling) {
    SetPriority(unit, UnitForm::kStored, turn.priority);
  }
  if (reads) BeginFilling(unit, UnitForm::kStored);
  if (decode) BeginFilling(unit, UnitForm::kDecoded);
  return StartResult::kStarted;
}

void EngineCore::Tick() {
  if (!blocked_) return;
  tiers_.ForEach([this](UnitState& unit) {
    RevokeIdle(unit.stored);
    RevokeIdle(unit.decoded);
    FinishDraining(unit);
    if (unit.retired) tiers_.DropIdle(unit);
  });
  for (const uint32_t number : std::set<uint32_t>(leaving_)) FinishForgetting(number);
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
