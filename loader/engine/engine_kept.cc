// EngineCore: units that the process before has left in the arena.
//
//   kKept --(somebody wants it)--> its parts are checked, by jobs --> kReady, as if it had been
//   read
//                                                   \--> one is bad: kAbsent, and it is read
//
// Nobody holds such a unit before all of it is checked: those who want it wait, as for memory.
#include <algorithm>
#include <utility>

#include "loader/engine/engine_core.h"

namespace ecf8 {

// The same weights, whatever the model was named.
void EngineCore::AdoptKept(uint32_t number, const EngineModelFiles& opened) {
  const CompressedModel& model = *opened.model;
  for (KeptUnit& kept : tiers_.TakeKept(model.digest_value())) {
    const bool fits = kept.unit_index < model.unit_count() &&
                      model.unit(kept.unit_index).stored_size_bytes == kept.stored_size_bytes &&
                      tiers_.Find(CacheKey(number, kept.unit_index)) == nullptr;
    if (!fits) {
      tiers_.FreeKept(kept);
      continue;
    }
    tiers_.Adopt(tiers_.Add(MakeUnit(number, opened, kept.unit_index)), std::move(kept.frames));
    ++stats_.kept_units;
    stats_.kept_bytes += kept.stored_size_bytes;
  }
}

void EngineCore::BeginCheck(UnitState& unit) {
  if (std::exchange(unit.is_being_checked, true)) return;
  unit.stored.progress.Reset(unit.parts->size());
  checks_.push_back(&unit);
}

// Of the most urgent of those who wait.
Priority EngineCore::CheckPriority(const UnitState& unit) {
  Priority priority = Priority::kPreload;
  for (const FormState* const form : {&unit.stored, &unit.decoded, &unit.stored_in_slot}) {
    if (!form->waiters.empty()) priority = std::min(priority, form->priority);
  }
  return priority;
}

bool EngineCore::SubmitChecks(Priority priority) {
  for (UnitState* const unit : checks_) {
    if (CheckPriority(*unit) != priority) continue;
    while (!unit->is_bad && SubmitJob(*unit, UnitForm::kStored)) {
      if (jobs_.in_use() >= parts_.device->info().queue_depth) return false;
    }
  }
  return true;
}

void EngineCore::OnCheckDone(UnitState& unit, const Operation& job, const absl::Status& status) {
  for (size_t i = job.first; status.ok() && i < job.first + job.count; ++i) {
    stats_.verified_bytes += (*unit.parts)[i].stored_size_bytes;
    unit.stored.progress.Done(i);
  }
  unit.is_bad = unit.is_bad || !status.ok();
  if (unit.is_bad ? unit.stored.jobs_in_flight > 0 : !unit.stored.progress.all_done()) return;
  std::erase(checks_, &unit);
  unit.is_being_checked = false;
  retry_ = true;
  if (std::exchange(unit.is_bad, false)) {
    ++stats_.bad_kept_units;
    unit.stored.stage = Stage::kAbsent;
    return tiers_.Free(unit, Tier::kHost);
  }
  unit.stored.stage = Stage::kReady;
  Observe(EngineEvent::Kind::kStarted, unit, UnitForm::kStored);
  Observe(EngineEvent::Kind::kReady, unit, UnitForm::kStored);
  if (unit.stored.waiters.empty()) return;
  waiting_.Erase(TurnOf(unit, UnitForm::kStored));
  unit.stored.holders = std::exchange(unit.stored.waiters, {});
  for (const std::shared_ptr<HeldUnit>& held : unit.stored.holders) {
    Begin(unit, held);
    held->Publish(unit.stored.progress.ready());
  }
}

}  // namespace ecf8
