// EngineCore: what is in flight, and what becomes of it.
#include <algorithm>
#include <cassert>
#include <utility>

#include "loader/engine/engine_core.h"
#include "loader/engine/unit_errors.h"

namespace ecf8 {
namespace {

// One past the last part of a job that begins with `begin` and holds at most `limit_bytes`, or one
// part: all of them are among the first `there_bytes`. Tables go alone, so that the parts behind
// them can be decoded side by side, unless the job holds the whole unit.
size_t JobEnd(const UnitState& unit, size_t begin, uint64_t there_bytes, uint64_t limit_bytes) {
  const std::vector<UnitPart>& parts = *unit.parts;
  size_t end = begin;
  uint64_t bytes = 0;
  while (end < parts.size() && parts[end].stored_end_bytes() <= there_bytes &&
         (end == begin || bytes + parts[end].stored_size_bytes <= limit_bytes)) {
    bytes += parts[end++].stored_size_bytes;
  }
  if (end > begin && parts[begin].is_tables() && end < parts.size()) return begin + 1;
  return end;
}

}  // namespace

void EngineCore::BeginFilling(UnitState& unit, UnitForm form) {
  FormState& state = unit.form(form);
  state.stage = Stage::kFilling;
  state.progress.Reset(unit.parts->size());
  if (form == UnitForm::kStored) {
    unit.reads = PlanReads(unit.frames, unit.unit->stored_size_bytes);
    unit.read_progress.Reset(unit.reads.size());
  }
  Observe(EngineEvent::Kind::kStarted, unit, form);
  active_.insert(TurnOf(unit, form));
  state.holders = std::exchange(state.waiters, {});
  for (const std::shared_ptr<HeldUnit>& held : state.holders) Begin(unit, held);
  FinishIfReady(unit, form);  // a unit may have no parts
}

void EngineCore::SubmitReads() {
  for (const Turn& turn : active_) {
    if (turn.form == UnitForm::kStored && !SubmitReadsOf(*turn.unit)) return;
  }
}

bool EngineCore::SubmitReadsOf(UnitState& unit) {
  while (unit.read_progress.next() < unit.reads.size()) {
    const size_t number = unit.read_progress.next();
    const PlannedRead& read = unit.reads[number];
    const uint64_t tag = reads_.Add({.unit = &unit, .first = static_cast<uint32_t>(number)});
    tiers_.MarkRead(read, true);
    if (!parts_.reader->TrySubmit({.file = unit.file,
                                   .offset_bytes = unit.unit->offset_bytes + read.offset_bytes,
                                   .data = read.data,
                                   .size_bytes = read.size_bytes,
                                   .tag = tag})) {
      tiers_.MarkRead(read, false);
      reads_.Take(tag);
      return false;
    }
    Observe(EngineEvent::Kind::kReadBegun, unit, UnitForm::kStored,
            {.operation = tag, .size_bytes = read.size_bytes, .queue = reads_.in_use() - 1});
    unit.read_progress.Begun(number + 1);
    ++unit.reads_in_flight;
  }
  return true;
}

void EngineCore::OnReadDone(const BlockReadDone& done) {
  const Operation read = reads_.Take(done.tag);
  UnitState& unit = *read.unit;
  --unit.reads_in_flight;
  tiers_.MarkRead(unit.reads[read.first], false);
  Observe(EngineEvent::Kind::kReadDone, unit, UnitForm::kStored,
          {.operation = done.tag, .size_bytes = unit.reads[read.first].size_bytes});
  if (unit.stored.stage == Stage::kFilling) {
    if (done.status.ok()) {
      stats_.read_bytes += unit.reads[read.first].size_bytes;
      unit.read_progress.Done(read.first);
    } else {
      Fail(unit, ReadFailure(unit, unit.reads[read.first].offset_bytes, done.status));
    }
  }
  FinishDraining(unit);
  Settle(unit);
}

void EngineCore::SubmitJobs() {
  auto turn = active_.begin();
  for (size_t i = 0; i < kPriorityCount; ++i) {
    const auto priority = static_cast<Priority>(i);
    if (!SubmitChecks(priority)) return;
    for (; turn != active_.end() && turn->priority == priority; ++turn) {
      while (SubmitJob(*turn->unit, turn->form)) {
        if (jobs_.in_use() >= parts_.device->info().queue_depth) return;
      }
    }
  }
}

// False where there is nothing to do for the unit now, or the device is full.
bool EngineCore::SubmitJob(UnitState& unit, UnitForm form) {
  const bool decode = form == UnitForm::kDecoded;
  const bool from_frames = !NeedsHost(unit, form);
  if (form == UnitForm::kStored && unit.is_made_from_host()) return false;  // which verifies
  FormState& state = unit.form(form);
  size_t begin = state.progress.next();
  while (begin < unit.parts->size() && state.progress.done(begin)) ++begin;
  const DeviceInfo& device = parts_.device->info();
  // Where all its threads have work, larger jobs: each that ends wakes the loop.
  const uint64_t factor = jobs_.in_use() >= device.queue_depth / 2 ? 2 : 1;
  const size_t end =
      from_frames
          ? JobEnd(unit, begin, unit.unit->stored_size_bytes, factor * device.frames_job_bytes)
          : JobEnd(unit, begin, unit.arrived_bytes(), factor * device.host_job_bytes);
  if (begin == end) return false;
  const bool has_tables = unit.parts->front().is_tables();
  if (decode && begin > 0 && has_tables && unit.tables == nullptr) return false;

  bool verify = false;  // what is in frames has been
  for (size_t i = begin; i < end && !from_frames; ++i) {
    verify = verify || !unit.stored.progress.done(i);
  }
  const Extents* copy_dev = nullptr;
  if (decode && unit.device != Stage::kAbsent) copy_dev = &unit.frames_dev;
  if (form == UnitForm::kStoredInSlot) copy_dev = &unit.stored_slot_dev;
  const uint64_t tag = jobs_.Add({.unit = &unit,
                                  .first = static_cast<uint32_t>(begin),
                                  .count = static_cast<uint32_t>(end - begin),
                                  .form = form,
                                  .reads_frames = from_frames});
  if (!parts_.device->TrySubmit({.tag = tag,
                                 .unit = unit.unit,
                                 .parts = {unit.parts->data() + begin, end - begin},
                                 .host = from_frames ? nullptr : &unit.frames,
                                 .verify = verify,
                                 .frames_dev = copy_dev,
                                 .slot_dev = decode ? unit.slot_dev.data() : nullptr,
                                 .tables = unit.tables.get()})) {
    jobs_.Take(tag);
    return false;
  }
  state.progress.Begun(end);
  ++state.jobs_in_flight;
  return true;
}

void EngineCore::OnJobDone(DeviceJobDone done) {
  const Operation job = jobs_.Take(done.tag);
  UnitState& unit = *job.unit;
  --unit.form(job.form).jobs_in_flight;
  stats_.verify_ns += static_cast<uint64_t>(done.times.verify_ns);
  stats_.copy_ns += static_cast<uint64_t>(done.times.copy_ns);
  stats_.decode_ns += static_cast<uint64_t>(done.times.decode_ns);
  uint64_t size_bytes = 0;
  for (size_t i = job.first; i < job.first + job.count; ++i) {
    size_bytes += (*unit.parts)[i].stored_size_bytes;
  }
  Observe(EngineEvent::Kind::kJobDone, unit, job.form, {.size_bytes = size_bytes, .job = &done});
  if (unit.stored.stage == Stage::kKept && job.form == UnitForm::kStored) {
    OnCheckDone(unit, job, done.status);
  } else if (!done.status.ok()) {
    FailJob(unit, job, PartFailure(unit, job.first + done.bad_part, done.status));
  } else {
    if (done.tables != nullptr) unit.tables = std::move(done.tables);
    MarkDone(unit, job);
    FinishIfReady(unit, UnitForm::kStored);
    if (job.form != UnitForm::kStored) FinishIfReady(unit, job.form);
  }
  FinishDraining(unit);
  if (unit.is_idle(Tier::kHost)) retry_ = true;  // a check may end after all that it was for
  Settle(unit);
}

void EngineCore::MarkDone(UnitState& unit, const Operation& job) {
  for (size_t i = job.first; i < job.first + job.count; ++i) {
    const UnitPart& part = (*unit.parts)[i];
    if (!job.reads_frames && unit.stored.stage == Stage::kFilling &&
        !unit.stored.progress.done(i)) {
      stats_.verified_bytes += part.stored_size_bytes;
      unit.stored.progress.Done(i);
    }
    FormState& made = unit.form(job.form);
    if (job.form == UnitForm::kStored || made.stage != Stage::kFilling) continue;
    made.progress.Done(i);
    if (job.form == UnitForm::kDecoded) stats_.decoded_bytes += part.decoded_size_bytes;
    if (job.form == UnitForm::kStoredInSlot || unit.device == Stage::kFilling) {
      stats_.copied_bytes += part.stored_size_bytes;
    }
  }
}

void EngineCore::FinishIfReady(UnitState& unit, UnitForm form) {
  FormState& state = unit.form(form);
  if (state.stage != Stage::kFilling) return;
  for (const std::shared_ptr<HeldUnit>& held : state.holders) {
    if (held->ready_parts() == state.progress.ready()) continue;
    held->Publish(state.progress.ready());
    Tell(held);
  }
  if (!state.progress.all_done()) return;
  active_.erase(TurnOf(unit, form));
  state.stage = Stage::kReady;
  if (form == UnitForm::kStored) tiers_.Record(unit);
  Observe(EngineEvent::Kind::kReady, unit, form);
  if (form == UnitForm::kDecoded) {
    unit.tables.reset();
    if (unit.device == Stage::kFilling) unit.device = Stage::kReady;
  }
  tiers_.Reweigh(unit);
  retry_ = true;  // what nobody holds may be evicted now
}

// What the device was to read is not trusted any more: the next request gets other bytes.
void EngineCore::FailJob(UnitState& unit, const Operation& job, const absl::Status& status) {
  if (!job.reads_frames) return Fail(unit, status);
  if (unit.device != Stage::kReady) return;  // it has failed already
  ++stats_.failed_units;
  unit.device = Stage::kDraining;
  if (unit.decoded.stage == Stage::kFilling) FailForm(unit, UnitForm::kDecoded, status);
}

// The stored bytes in host memory are no good, nor is what is being made of them.
void EngineCore::Fail(UnitState& unit, const absl::Status& status) {
  if (unit.stored.stage == Stage::kDraining) return;
  ++stats_.failed_units;
  FailForm(unit, UnitForm::kStored, status);
  for (const UnitForm made : {UnitForm::kDecoded, UnitForm::kStoredInSlot}) {
    if (unit.form(made).stage == Stage::kFilling && NeedsHost(unit, made)) {
      FailForm(unit, made, status);
    }
  }
}

// The holders get nothing more. Its memory goes when nothing is in flight, and nobody is just
// copying what was ready: those are asked again at a tick, or let go by themselves.
void EngineCore::FailForm(UnitState& unit, UnitForm form, const absl::Status& status) {
  FormState& state = unit.form(form);
  for (const std::shared_ptr<HeldUnit>& held : state.holders) {
    held->Fail(status);
    Tell(held);
  }
  Observe(EngineEvent::Kind::kGivenUp, unit, form);
  DropFailed(state);
  if (state.stage == Stage::kFilling) active_.erase(TurnOf(unit, form));
  state.stage = Stage::kDraining;
  // In the frames there is half a unit.
  if (form == UnitForm::kDecoded && unit.device == Stage::kFilling) unit.device = Stage::kDraining;
}

void EngineCore::DropFailed(FormState& form) {
  std::erase_if(form.holders,
                [](const std::shared_ptr<HeldUnit>& held) { return held->TryRevoke(); });
}

void EngineCore::FinishDraining(UnitState& unit) {
  for (const Tier tier : {Tier::kSlots, Tier::kStoredSlots, Tier::kDevice, Tier::kHost}) {
    if (unit.stage(tier) != Stage::kDraining || !unit.is_still(tier)) continue;
    if (tier != Tier::kDevice && !unit.form(FormIn(tier)).holders.empty()) continue;
    unit.stage(tier) = Stage::kAbsent;
    tiers_.Free(unit, tier);
    if (tier == Tier::kSlots) unit.tables.reset();
    retry_ = true;
  }
}

}  // namespace ecf8
