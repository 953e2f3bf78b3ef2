#include "loader/engine/engine_core.h"

#include <algorithm>
#include <cassert>
#include <string>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/engine/unit_errors.h"
#include "loader/engine/unit_place.h"

namespace ecf8 {
namespace {

uint64_t FrameBytes(const Unit& unit) { return RoundUp(unit.stored_size_bytes, kFrameBytes); }

}  // namespace

uint64_t EngineCore::OperationTable::Add(const Operation& operation) {
  ++in_use;
  if (free.empty()) {
    slots.push_back(operation);
    return slots.size() - 1;
  }
  const uint64_t tag = free.back();
  free.pop_back();
  slots[tag] = operation;
  return tag;
}

EngineCore::Operation EngineCore::OperationTable::Take(uint64_t tag) {
  assert(in_use > 0 && tag < slots.size() && slots[tag].unit != nullptr);
  --in_use;
  free.push_back(tag);
  return std::exchange(slots[tag], {});
}

EngineCore::EngineCore(const EngineParts& parts) : parts_(parts) {}

EngineCore::~EngineCore() {
  assert(idle());
  for (const auto& [key, unit] : units_) {
    if (unit->stored.stage == Stage::kReady) parts_.arena->Free(unit->frames);
    if (unit->decoded.stage == Stage::kReady) parts_.slots->Free(unit->slot);
  }
  for (const Model& model : models_) {
    for (const uint32_t file : model.files) parts_.reader->RemoveFile(file);
  }
}

absl::StatusOr<uint32_t> EngineCore::AddModel(std::shared_ptr<const CompressedModel> model) {
  Model added{.model = std::move(model), .files = {}};
  for (const Shard& shard : added.model->shards()) {
    absl::StatusOr<uint32_t> file = parts_.reader->AddFile(
        absl::StrCat(added.model->directory(), "/", shard.file_name), shard.file_name);
    if (!file.ok()) {
      for (const uint32_t opened : added.files) parts_.reader->RemoveFile(opened);
      return AddContext(file.status(), "model " + Quoted(added.model->name()));
    }
    added.files.push_back(*file);
  }
  const auto number = static_cast<uint32_t>(models_.size());
  ModelWalk host{.model = number, .units = {}};
  ModelWalk slots{.model = number, .units = {}};
  for (uint32_t i = 0; i < added.model->unit_count(); ++i) {
    const Unit& unit = added.model->unit(i);
    const UnitPlace place = PlaceOfUnit(unit.id);
    host.units.push_back({FrameBytes(unit), place.layer, place.expert});
    slots.units.push_back(
        {SlotSpace::SlotBytes(unit.decoded_size_bytes), place.layer, place.expert});
  }
  parts_.host_policy->AddModel(host);
  parts_.slot_policy->AddModel(slots);
  models_.push_back(std::move(added));
  return number;
}

absl::Status EngineCore::CheckFits(const UnitRequest& request) const {
  const CompressedModel& model = *models_[request.model].model;
  const Unit& unit = model.unit(request.unit_index);
  const auto check = [&](const char* what, uint64_t needed_bytes, uint64_t capacity_bytes) {
    if (needed_bytes <= capacity_bytes) return absl::OkStatus();
    return DoesNotFit(model, unit, what, needed_bytes - capacity_bytes);
  };
  ECF8_RETURN_IF_ERROR(check("host", FrameBytes(unit), parts_.arena->capacity_bytes()));
  if (request.form == UnitForm::kStored) return absl::OkStatus();
  return check("slot", SlotSpace::SlotBytes(unit.decoded_size_bytes),
               parts_.slots->capacity_bytes());
}

absl::StatusOr<std::shared_ptr<HeldUnit>> EngineCore::MakeHold(UnitRequest request) const {
  ECF8_RETURN_IF_ERROR(CheckFits(request));
  const std::shared_ptr<const CompressedModel>& model = models_[request.model].model;
  auto parts =
      std::make_shared<const std::vector<UnitPart>>(ListUnitParts(model->unit(request.unit_index)));
  return std::make_shared<HeldUnit>(std::move(request), model, std::move(parts));
}

UnitState& EngineCore::FindOrMake(const HeldUnit& held) {
  const UnitRequest& request = held.request();
  const uint64_t key = CacheKey(request.model, request.unit_index);
  std::unique_ptr<UnitState>& unit = units_[key];
  if (unit != nullptr) return *unit;
  const Model& model = models_[request.model];
  unit = std::make_unique<UnitState>();
  unit->key = key;
  unit->model = model.model;
  unit->unit_index = request.unit_index;
  unit->unit = &model.model->unit(request.unit_index);
  unit->file = model.files[model.model->shard_number_of(request.unit_index)];
  unit->parts = held.parts_;
  const UnitPlace place = PlaceOfUnit(unit->unit->id);
  unit->host_unit = {key, FrameBytes(*unit->unit), place.layer, place.expert, request.model};
  unit->slot_unit = unit->host_unit;
  unit->slot_unit.size_bytes = SlotSpace::SlotBytes(unit->unit->decoded_size_bytes);
  return *unit;
}

// What is on its way costs nothing more: a hit. Who finds the unit decoded does not ask for it
// stored, so that a tier learns only of what it could have saved.
void EngineCore::CountAccess(UnitState& unit, const UnitRequest& request) {
  Observe(EngineEvent::Kind::kAccess, unit, request.form, {.priority = request.priority});
  const auto access = static_cast<Access>(request.priority);
  const auto count = [&](const FormState& form, const CacheUnit& cached, CachePolicy& policy,
                         TierStats& tier) {
    const bool held = form.stage == Stage::kFilling || form.stage == Stage::kReady;
    ++(held || !form.waiters.empty() ? tier.hits : tier.misses);
    policy.OnAccess(cached, access, held);
    return held;
  };
  if (request.form == UnitForm::kDecoded &&
      count(unit.decoded, unit.slot_unit, *parts_.slot_policy, stats_.slots)) {
    return;
  }
  count(unit.stored, unit.host_unit, *parts_.host_policy, stats_.host);
}

void EngineCore::Acquire(const std::shared_ptr<HeldUnit>& held) {
  UnitState& unit = FindOrMake(*held);
  CountAccess(unit, held->request());
  ++request_count_;
  const UnitForm form = held->request().form;
  const Priority priority = held->request().priority;
  FormState& state = unit.form(form);
  if (state.stage == Stage::kFilling || state.stage == Stage::kReady) {
    state.holders.push_back(held);
    held->Begin(&unit.frames, unit.slot.data());
    held->Publish(state.progress.ready());
    Tell(held);
    if (state.stage == Stage::kFilling) SetPriority(unit, form, priority);
  } else {
    state.waiters.push_back(held);
    if (state.waiters.size() > 1) return SetPriority(unit, form, priority);
    state.priority = priority;
    state.sequence = next_sequence_++;
    const size_t queue = waiting_[0].size() + waiting_[1].size() + waiting_[2].size();
    Observe(EngineEvent::Kind::kWaiting, unit, form, {.queue = queue});
    WaitingOf(priority).insert(TurnOf(unit, form));
    retry_ = true;
  }
}

UnitState* EngineCore::Find(const HeldUnit& held) {
  const auto found = units_.find(CacheKey(held.request().model, held.request().unit_index));
  return found == units_.end() ? nullptr : found->second.get();
}

void EngineCore::Raise(const std::shared_ptr<HeldUnit>& held, Priority priority) {
  UnitState* const unit = Find(*held);
  if (unit == nullptr) return;  // it has failed, or was taken back
  const UnitForm form = held->request().form;
  Observe(EngineEvent::Kind::kAccess, *unit, form, {.priority = priority});
  const bool decoded = form == UnitForm::kDecoded;
  const Stage stage = unit->form(form).stage;
  (decoded ? parts_.slot_policy : parts_.host_policy)
      ->OnAccess(decoded ? unit->slot_unit : unit->host_unit, static_cast<Access>(priority),
                 stage == Stage::kFilling || stage == Stage::kReady);
  if (stage == Stage::kFilling || !unit->form(form).waiters.empty()) {
    SetPriority(*unit, form, priority);
  }
}

void EngineCore::Release(const std::shared_ptr<HeldUnit>& held) {
  assert(request_count_ > 0);
  --request_count_;
  UnitState* const found = Find(*held);
  if (found == nullptr) return;
  UnitState& unit = *found;
  const UnitRequest& request = held->request();
  FormState& form = unit.form(request.form);
  if (std::erase(form.waiters, held) > 0) {
    if (form.waiters.empty()) {
      WaitingOf(form.priority).erase(TurnOf(unit, request.form));
      Observe(EngineEvent::Kind::kGivenUp, unit, request.form);
    }
  } else if (std::erase(form.holders, held) > 0 && form.holders.empty()) {
    if (form.stage == Stage::kFilling) Abandon(unit, request.form);
    FinishDraining(unit);
    retry_ = true;
  }
  ForgetIfAbsent(unit);
}

EngineCore::Turn EngineCore::TurnOf(UnitState& unit, UnitForm form) {
  const FormState& state = unit.form(form);
  return {state.priority, state.sequence, &unit, form};
}

void EngineCore::SetPriority(UnitState& unit, UnitForm form, Priority priority) {
  FormState& state = unit.form(form);
  if (priority >= state.priority) return;
  const bool waits = !state.waiters.empty();
  (waits ? WaitingOf(state.priority) : active_).erase(TurnOf(unit, form));
  state.priority = priority;
  (waits ? WaitingOf(priority) : active_).insert(TurnOf(unit, form));
  retry_ = true;
  // What is decoded waits for what is read.
  if (form == UnitForm::kDecoded && unit.stored.stage == Stage::kFilling) {
    SetPriority(unit, UnitForm::kStored, priority);
  }
}

// Nobody wants the form any more. Stored bytes that are all on their way may as well arrive.
void EngineCore::Abandon(UnitState& unit, UnitForm form) {
  const absl::Status status = absl::CancelledError("nobody wants the unit any more");
  if (form == UnitForm::kDecoded) FailForm(unit, form, status);
  const bool wanted = !unit.stored.holders.empty() || unit.decoded.stage == Stage::kFilling;
  if (unit.stored.stage == Stage::kFilling && !wanted &&
      unit.read_progress.next() < unit.reads.size()) {
    ++stats_.abandoned_units;
    FailForm(unit, UnitForm::kStored, status);
  }
}

void EngineCore::ForgetIfAbsent(UnitState& unit) {
  if (unit.forgotten()) units_.erase(unit.key);
}

void EngineCore::Advance() {
  if (std::exchange(retry_, false)) StartWaiting();
  SubmitReads();
  SubmitJobs();
  // A holder may be told twice; it looks at the whole state each time.
  for (const std::shared_ptr<HeldUnit>& held : std::exchange(news_, {})) held->Notify();
}

void EngineCore::Observe(EngineEvent::Kind kind, UnitState& unit, UnitForm form,
                         EngineEvent event) {
  if (parts_.observers.empty()) return;
  event.kind = kind;
  event.key = unit.key;
  event.model = unit.model.get();
  event.unit = unit.unit;
  event.form = form;
  if (kind != EngineEvent::Kind::kAccess) event.priority = unit.form(form).priority;
  if (event.size_bytes == 0) {
    event.size_bytes =
        form == UnitForm::kStored ? unit.unit->stored_size_bytes : unit.unit->decoded_size_bytes;
  }
  for (EngineObserver* const observer : parts_.observers) observer->OnEvent(event);
}

EngineStats EngineCore::stats() const {
  EngineStats stats = stats_;
  stats.requests = request_count_;
  for (size_t i = 0; i < kPriorityCount; ++i) stats.waiting[i] = waiting_[i].size();
  stats.active_units = active_.size();
  stats.reads_in_flight = reads_.in_use;
  stats.jobs_in_flight = jobs_.in_use;
  stats.host.capacity_bytes = parts_.arena->capacity_bytes();
  stats.host.free_bytes = parts_.arena->free_bytes();
  stats.slots.capacity_bytes = parts_.slots->capacity_bytes();
  stats.slots.free_bytes = parts_.slots->free_bytes();
  return stats;
}

}  // namespace ecf8
