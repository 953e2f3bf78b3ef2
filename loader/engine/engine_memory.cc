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
    Lack lack = Lack::kNothing;
    if (next != *urgent && StartOneOf(next, lack)) continue;
    if (!StartMostUrgent()) return;
  }
}

// A preload takes what is left, or is declined: it need not wait for what a hint does not find.
bool EngineCore::StartMostUrgent() {
  Lack demands_lack = Lack::kNothing;
  if (StartOneOf(Priority::kDemand, demands_lack)) return true;
  Lack lack = demands_lack;
  return StartOneOf(Priority::kHinted, lack) || StartOneOf(Priority::kPreload, demands_lack);
}

// Starts the first of its kind that can be, or declines it; false where nothing changed. Behind one
// that finds no memory those that need the same are not tried, or it might wait for ever.
bool EngineCore::StartOneOf(Priority priority, Lack& lack) {
  if (priority == Priority::kPreload && active_.size() >= kMaxActiveUnits) {
    waiting_.CountRefusal(priority);
    return false;
  }
  if (lack == Lack::kHost) return false;
  bool changed = false;
  bool is_busy = false;
  waiting_.ForEachOf(priority, [&](const Turn& turn) {
    if (lack == Lack::kSlots && turn.form != UnitForm::kStored) return true;
    const StartResult result = Start(turn, lack);
    changed = result == StartResult::kStarted || result == StartResult::kDeclined;
    if (changed) return false;
    blocked_ = true;
    is_busy = is_busy || result == StartResult::kBusy;
    if (result == StartResult::kBusy) return true;
    lack = result == StartResult::kNoSlots ? Lack::kSlots : Lack::kHost;
    hungry_ = hungry_ || priority != Priority::kHinted;
    waiting_.CountRefusal(priority);
    return lack == Lack::kSlots && waiting_.stored_size_of(priority) > 0;
  });
  // It wants memory as soon as what was there is checked, or gone.
  if (!changed && is_busy) lack = Lack::kHost;
  return changed;
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
EngineCore::StartResult EngineCore::TakeMemory(const Turn& turn, bool reads) {
  UnitState& unit = *turn.unit;
  const bool takes_slot = turn.form != UnitForm::kStored;
  const Tier slots = TierOf(turn.form);
  if (takes_slot) {
    const TakeResult taken = tiers_.Take(unit, slots, ClaimOf(turn, slots));
    if (taken == TakeResult::kInUse) return StartResult::kNoSlots;
    if (taken == TakeResult::kNotWorth) return StartResult::kDeclined;
  }
  if (!reads) return StartResult::kStarted;
  const TakeResult taken = tiers_.Take(unit, Tier::kHost, ClaimOf(turn, Tier::kHost));
  if (taken == TakeResult::kTaken) return StartResult::kStarted;
  if (takes_slot) tiers_.Free(unit, slots);
  return taken == TakeResult::kInUse ? StartResult::kNoHost : StartResult::kDeclined;
}

// `turn` is gone afterwards where it is started or declined.
EngineCore::StartResult EngineCore::Start(Turn turn, Lack lack) {
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
  const StartResult taken = TakeMemory(turn, reads);
  if (taken == StartResult::kDeclined) Decline(turn);
  if (taken != StartResult::kStarted) return taken;
  waiting_.Start(turn, /*counts=*/lack == Lack::kNothing);
  turn.state().sequence = next_sequence_++;  // from here on in the order of the starts
  // A unit can do without frames of the device.
  const Claim claim = turn.priority == Priority::kPreload ? Claim::kIfUnused : Claim::kIfWorthMore;
  if (decode && needs_host && tiers_.Take(unit, Tier::kDevice, claim) == TakeResult::kTaken) {
    unit.device = Stage::kFilling;
  }
  if (fills_slot && reads) {
    // Who waits for the stored bytes gets them, too.
    Priority priority = turn.priority;
    if (!unit.stored.waiters.empty()) {
      priority = std::min(priority, unit.stored.priority);
      waiting_.Erase(TurnOf(unit, UnitForm::kStored));
    }
    unit.stored.priority = priority;
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
