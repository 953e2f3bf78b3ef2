// EngineCore: who gets memory, and who has to give way.
#include <algorithm>
#include <utility>

#include "loader/engine/engine_core.h"

namespace ecf8 {

void EngineCore::StartWaiting() {
  blocked_ = hungry_ = false;
  // A unit that is decoded is active twice, for its reads and for its jobs.
  while (active_.size() + checks_.size() < 2 * kMaxActiveUnits) {
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
  if (priority == Priority::kPreload && active_.size() >= kMaxActiveUnits) {
    waiting_.CountRefusal(priority);
    return false;
  }
  StartResult result = StartResult::kBusy;
  waiting_.ForEachOf(priority, [&](const Turn& turn) {
    result = Start(turn);
    blocked_ = blocked_ || result == StartResult::kBusy || result == StartResult::kNoMemory;
    return result == StartResult::kBusy;
  });
  if (result == StartResult::kNoMemory) {
    hungry_ = hungry_ || priority != Priority::kHinted;
    waiting_.CountRefusal(priority);
  }
  return result == StartResult::kStarted;
}

// What a preload is for it takes where that hurts nobody. What it passes through it must have.
Claim EngineCore::ClaimOf(const Turn& turn, Tier tier) {
  if (turn.priority != Priority::kPreload) return Claim::kMust;
  if (tier == Tier::kHost) {
    return turn.form == UnitForm::kStored ? Claim::kIfUnused : Claim::kMust;
  }
  const Holds& waiters = turn.state().waiters;
  const bool passes = std::any_of(waiters.begin(), waiters.end(),
                                  [](const auto& held) { return held->request().for_frames; });
  return passes ? Claim::kMust : Claim::kIfUnused;
}

// Those who wait are preloads, all of them.
void EngineCore::Decline(Turn turn) {
  waiting_.Erase(turn);
  Observe(EngineEvent::Kind::kGivenUp, *turn.unit, turn.form);
  for (const std::shared_ptr<HeldUnit>& held : std::exchange(turn.state().waiters, {})) {
    held->Decline();
    Tell(held);
  }
  Settle(*turn.unit);
}

// All the memory that the form needs, or none.
TakeResult EngineCore::TakeMemory(const Turn& turn, bool reads) {
  UnitState& unit = *turn.unit;
  const bool takes_slot = turn.form != UnitForm::kStored;
  const Tier slots = TierOf(turn.form);
  if (takes_slot) {
    const TakeResult taken = tiers_.Take(unit, slots, ClaimOf(turn, slots));
    if (taken != TakeResult::kTaken) return taken;
  }
  if (!reads) return TakeResult::kTaken;
  const TakeResult taken = tiers_.Take(unit, Tier::kHost, ClaimOf(turn, Tier::kHost));
  if (taken != TakeResult::kTaken && takes_slot) tiers_.Free(unit, slots);
  return taken;
}

// `turn` is gone afterwards, unless kBusy or kNoMemory.
EngineCore::StartResult EngineCore::Start(Turn turn) {
  UnitState& unit = *turn.unit;
  const bool decode = turn.form == UnitForm::kDecoded;
  const bool fills_slot = turn.form != UnitForm::kStored;
  const bool needs_host = NeedsHost(unit, turn.form);
  if (turn.state().stage == Stage::kDraining ||
      (needs_host && unit.stored.stage == Stage::kDraining)) {
    return StartResult::kBusy;
  }
  if (needs_host && unit.stored.stage == Stage::kKept) {
    BeginCheck(unit);
    return StartResult::kBusy;
  }
  const bool reads = needs_host && unit.stored.stage == Stage::kAbsent;
  const TakeResult taken = TakeMemory(turn, reads);
  if (taken == TakeResult::kInUse) return StartResult::kNoMemory;
  if (taken == TakeResult::kNotWorth) {
    Decline(turn);
    return StartResult::kDeclined;
  }
  waiting_.Start(turn);
  turn.state().sequence = next_sequence_++;  // from here on in the order of the starts
  // A unit can do without frames of the device.
  const Claim claim = turn.priority == Priority::kPreload ? Claim::kIfUnused : Claim::kIfWorthMore;
  if (decode && needs_host && tiers_.Take(unit, Tier::kDevice, claim) == TakeResult::kTaken) {
    unit.device = Stage::kFilling;
  }
  if (fills_slot && reads) {
    // Who waits for the stored bytes gets them, too.
    if (!unit.stored.waiters.empty()) waiting_.Erase(TurnOf(unit, UnitForm::kStored));
    unit.stored.priority = turn.priority;
    unit.stored.sequence = turn.state().sequence;
  }
  if (fills_slot && needs_host && unit.stored.stage == Stage::kFilling) {
    SetPriority(unit, UnitForm::kStored, turn.priority);
  }
  if (reads) BeginFilling(unit, UnitForm::kStored);
  if (fills_slot) BeginFilling(unit, turn.form);
  return StartResult::kStarted;
}

void EngineCore::Tick() {
  if (!wants_ticks()) return;
  ExpireRuns();
  tiers_.ForEach([this](UnitState& unit) {
    RevokeIdle(unit.stored);
    RevokeIdle(unit.decoded);
    RevokeIdle(unit.stored_in_slot);
    FinishDraining(unit);
    if (unit.retired) tiers_.DropIdle(unit);
  });
  for (const uint32_t number : std::set<uint32_t>(leaving_)) FinishForgetting(number);
}

void EngineCore::RevokeIdle(FormState& form) {
  if (form.stage == Stage::kDraining) DropFailed(form);
  if (form.stage != Stage::kReady || (!hungry_ && waiting_runs_.empty())) return;
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
