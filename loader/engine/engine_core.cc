#include "loader/engine/engine_core.h"

#include <algorithm>
#include <cassert>
#include <string>

#include "loader/engine/unit_errors.h"

namespace ecf8 {

EngineCore::EngineCore(const EngineParts& parts)
    : parts_(parts), tiers_(parts.tiers, [this](UnitState& unit, Tier tier) {
        Observe(EngineEvent::Kind::kEvicted, unit, FormIn(tier), {.tier = tier});
      }) {
  LimitSlots();
}

EngineCore::~EngineCore() {
  assert(idle());
  MutexLock lock(models_mutex_);
  for (const auto& [number, model] : models_) CloseModelFiles(*parts_.reader, model.opened);
}

UnitState* EngineCore::FindOrMake(const HeldUnit& held) {
  if (UnitState* const known = Find(held)) return known;
  const UnitRequest& request = held.request();
  MutexLock lock(models_mutex_);
  const auto found = models_.find(request.model);
  if (found == models_.end()) return nullptr;
  auto unit = MakeUnit(request.model, found->second.opened, request.unit_index);
  unit->retired = found->second.retired;
  return &tiers_.Add(std::move(unit));
}

std::unique_ptr<UnitState> EngineCore::MakeUnit(uint32_t model, const EngineModelFiles& opened,
                                                uint32_t unit_index) {
  auto unit = std::make_unique<UnitState>();
  unit->key = CacheKey(model, unit_index);
  unit->model = opened.model;
  unit->unit_index = unit_index;
  unit->unit = &opened.model->unit(unit_index);
  unit->file = opened.files[opened.model->shard_number_of(unit_index)];
  return unit;
}

UnitState* EngineCore::Find(const HeldUnit& held) {
  return tiers_.Find(CacheKey(held.request().model, held.request().unit_index));
}

// Frames are filled by decoding: a slot that nobody uses is given up for them.
void EngineCore::GiveUpSlotForFrames(const HeldUnit& held) {
  UnitState* const unit = Find(held);
  if (unit == nullptr || unit->device != Stage::kAbsent || !unit->is_idle(Tier::kSlots)) return;
  if (!tiers_.IsHeldByPin(Tier::kSlots, *unit)) tiers_.Evict(*unit, Tier::kSlots);
}

void EngineCore::Acquire(const std::shared_ptr<HeldUnit>& held) {
  if (held->request().for_frames) GiveUpSlotForFrames(*held);
  UnitState* const found = FindOrMake(*held);
  if (found == nullptr) {
    ++request_count_;
    held->Fail(ModelIsGone(held->model().name()));
    return Tell(held);
  }
  UnitState& unit = *found;
  if (unit.parts == nullptr) unit.parts = held->parts_;
  const UnitForm form = held->request().form;
  const Priority priority = held->request().priority;
  Observe(EngineEvent::Kind::kAccess, unit, form, {.priority = priority});
  tiers_.CountRequest(unit, *held);
  ++request_count_;
  FormState& state = unit.form(form);
  if (state.in_memory()) {
    state.holders.push_back(held);
    Begin(unit, held);
    held->Publish(state.progress.ready());
    if (state.stage == Stage::kFilling) SetPriority(unit, form, priority);
  } else {
    state.waiters.push_back(held);
    if (state.waiters.size() > 1) return SetPriority(unit, form, priority);
    state.priority = priority;
    state.sequence = next_sequence_++;
    state.flow = held->request().flow;
    size_t queue = 0;
    for (size_t i = 0; i < kPriorityCount; ++i) queue += waiting_.size_of(static_cast<Priority>(i));
    Observe(EngineEvent::Kind::kWaiting, unit, form, {.queue = queue});
    waiting_.Insert(TurnOf(unit, form));
    retry_ = true;
  }
}

void EngineCore::Raise(const std::shared_ptr<HeldUnit>& held, Priority priority) {
  UnitState* const unit = Find(*held);
  if (unit == nullptr) return;  // it has failed, or was taken back
  const UnitForm form = held->request().form;
  Observe(EngineEvent::Kind::kAccess, *unit, form, {.priority = priority});
  tiers_.CountRaise(*unit, *held, priority);
  FormState& state = unit->form(form);
  held->priority_ = std::min(held->priority_, priority);
  // Whose hold was taken back has no say in what is done for others.
  const Holds& holds = state.stage == Stage::kFilling ? state.holders : state.waiters;
  if (std::find(holds.begin(), holds.end(), held) != holds.end()) {
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
    retry_ = true;  // those behind it may be tried
    if (form.waiters.empty()) {
      waiting_.Erase(TurnOf(unit, request.form));
      Observe(EngineEvent::Kind::kGivenUp, unit, request.form);
    } else {
      LowerPriority(unit, request.form);
    }
  } else if (std::erase(form.holders, held) > 0) {
    // What was idle before long may be leased now: that is no news but to a preload.
    retry_ = retry_ || form.holders.empty() || waiting_.size_of(Priority::kPreload) > 0;
    if (form.holders.empty()) {
      if (form.stage == Stage::kFilling) Abandon(unit, request.form);
      FinishDraining(unit);
    }
  }
  Settle(unit);
}

void EngineCore::Begin(UnitState& unit, const std::shared_ptr<HeldUnit>& held) {
  held->Begin(&unit.frames, unit.slot_dev_in(TierOf(held->request().form)).data(), parts_.device);
  Tell(held);
}

Turn EngineCore::TurnOf(UnitState& unit, UnitForm form) {
  const FormState& state = unit.form(form);
  return {state.priority, state.sequence, &unit, form};
}

void EngineCore::SetPriority(UnitState& unit, UnitForm form, Priority priority) {
  FormState& state = unit.form(form);
  if (priority >= state.priority) return;
  const bool waits = !state.waiters.empty();
  waits ? waiting_.Erase(TurnOf(unit, form)) : void(active_.erase(TurnOf(unit, form)));
  state.priority = priority;
  waits ? waiting_.Insert(TurnOf(unit, form)) : void(active_.insert(TurnOf(unit, form)));
  retry_ = true;
  // What is made of it waits for what is read.
  if (form != UnitForm::kStored && unit.stored.stage == Stage::kFilling && NeedsHost(unit, form)) {
    SetPriority(unit, UnitForm::kStored, priority);
  }
}

void EngineCore::LowerPriority(UnitState& unit, UnitForm form) {
  FormState& state = unit.form(form);
  Priority priority = Priority::kPreload;
  for (const std::shared_ptr<HeldUnit>& held : state.waiters) {
    priority = std::min(priority, held->priority_);
  }
  if (priority == state.priority) return;
  waiting_.Erase(TurnOf(unit, form));
  state.priority = priority;
  waiting_.Insert(TurnOf(unit, form));
}

// Nobody wants the form any more. Stored bytes that are all on their way may as well arrive.
void EngineCore::Abandon(UnitState& unit, UnitForm form) {
  const absl::Status status = absl::CancelledError("nobody wants the unit any more");
  if (form != UnitForm::kStored) FailForm(unit, form, status);
  const bool wanted = !unit.stored.holders.empty() || unit.is_made_from_host();
  if (unit.stored.stage == Stage::kFilling && !wanted &&
      unit.read_progress.next() < unit.reads.size()) {
    ++stats_.abandoned_units;
    FailForm(unit, UnitForm::kStored, status);
  }
}

void EngineCore::Advance() {
  AnswerRuns();
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
    event.size_bytes = SizeIn(form, *unit.unit);
  }
  for (EngineObserver* const observer : parts_.observers) observer->OnEvent(event);
}

EngineStats EngineCore::stats() const {
  EngineStats stats = stats_;
  stats.requests = request_count_;
  for (size_t i = 0; i < kPriorityCount; ++i) {
    stats.waiting[i] = waiting_.size_of(static_cast<Priority>(i));
  }
  stats.active_units = active_.size();
  stats.reads_in_flight = reads_.in_use();
  stats.jobs_in_flight = jobs_.in_use();
  stats.host = tiers_.stats(Tier::kHost);
  stats.device = tiers_.stats(Tier::kDevice);
  stats.slots = tiers_.slot_stats();
  return stats;
}

}  // namespace ecf8
