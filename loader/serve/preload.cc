#include "loader/serve/preload.h"

#include <utility>

#include "decoder/status_macros.h"
#include "loader/base/clock.h"
#include "loader/engine/unit_errors.h"

namespace ecf8 {

Preload::Preload(Engine& engine, PreloadOrder order, std::function<void()> wake)
    : engine_(engine),
      order_(std::move(order)),
      wake_(std::move(wake)),
      flow_(engine.NewFlow()),
      stage_(order_.pin ? Stage::kPin : Stage::kPlan),
      rate_(order_.bytes_per_second) {
  progress_.units = static_cast<uint32_t>(order_.set.units.size());
  for (const uint32_t index : order_.set.units) progress_.bytes += BytesOf(index);
}

uint64_t Preload::BytesOf(uint32_t unit_index) const {
  const Unit& unit = order_.model->model()->unit(unit_index);
  return SizeIn(FormIn(order_.set.tier), unit);
}

void Preload::Stop() {
  stage_ = Stage::kDone;
  leases_.clear();
  answer_.reset();
  pins_.Release();
}

absl::StatusOr<PreloadProgress> Preload::Advance() {
  while (stage_ != Stage::kDone) {
    const absl::StatusOr<bool> goes_on = Step();
    if (!goes_on.ok()) {
      Stop();
      return goes_on.status();
    }
    if (!*goes_on) break;
  }
  return progress_;
}

absl::StatusOr<bool> Preload::Step() {
  if (order_.model->retired()) return ModelIsGone(order_.model->model()->name());
  switch (stage_) {
    case Stage::kPin: {
      ECF8_ASSIGN_OR_RETURN(const bool is_there, PinAll());
      if (is_there) stage_ = Stage::kPlan;
      return is_there;
    }
    case Stage::kPlan: {
      ECF8_ASSIGN_OR_RETURN(const bool is_there, FindAbsent(/*plan=*/true, &absent_));
      if (!is_there) return false;
      progress_.units_done = progress_.units - static_cast<uint32_t>(absent_.size());
      progress_.bytes_done = progress_.bytes;
      for (const uint32_t index : absent_) progress_.bytes_done -= BytesOf(index);
      stage_ = Stage::kLoad;
      return true;
    }
    case Stage::kLoad:
      ECF8_RETURN_IF_ERROR(CollectReady());
      ECF8_RETURN_IF_ERROR(AskForMore());
      if (!leases_.empty() || next_ < absent_.size()) return false;
      stage_ = Stage::kCount;
      return true;
    case Stage::kCount: {
      std::vector<uint32_t> units;
      ECF8_ASSIGN_OR_RETURN(const bool is_there, FindAbsent(/*plan=*/false, &units));
      if (!is_there) return false;
      progress_.units_not_kept = static_cast<uint32_t>(units.size());
      progress_.bytes_not_kept = 0;
      for (const uint32_t index : units) progress_.bytes_not_kept += BytesOf(index);
      progress_.is_done = true;
      pins_.Keep();
      pins_.Release();
      stage_ = Stage::kDone;
      return true;
    }
    case Stage::kDone:
      break;
  }
  return false;
}

// True, and the answer taken, where it is there.
bool Preload::TakeAnswer(std::shared_ptr<Answer>* taken) {
  {
    MutexLock lock(answer_->mutex);
    if (!answer_->is_there) return false;
  }
  *taken = std::exchange(answer_, nullptr);
  return true;
}

absl::StatusOr<bool> Preload::PinAll() {
  if (answer_ == nullptr) {
    answer_ = std::make_shared<Answer>();
    ECF8_RETURN_IF_ERROR(engine_.HoldPins(
        order_.set, [answer = answer_, wake = wake_](absl::StatusOr<PinHold> hold) {
          {
            MutexLock lock(answer->mutex);
            answer->is_there = true;
            answer->status = hold.status();
            if (hold.ok()) answer->pins = *std::move(hold);
          }
          wake();
        }));
  }
  std::shared_ptr<Answer> answer;
  if (!TakeAnswer(&answer)) return false;
  MutexLock lock(answer->mutex);
  ECF8_RETURN_IF_ERROR(answer->status);
  pins_ = std::move(answer->pins);
  return true;
}

absl::StatusOr<bool> Preload::FindAbsent(bool plan, std::vector<uint32_t>* units) {
  if (answer_ == nullptr) {
    answer_ = std::make_shared<Answer>();
    ECF8_RETURN_IF_ERROR(engine_.Ask(
        [answer = answer_, set = order_.set, wake = wake_, plan](const EngineCore& core) {
          using Units = absl::StatusOr<std::vector<uint32_t>>;
          Units absent = plan ? core.PlanPreload(set) : Units(core.AbsentOf(set));
          {
            MutexLock lock(answer->mutex);
            answer->is_there = true;
            answer->status = absent.status();
            if (absent.ok()) answer->units = *std::move(absent);
          }
          wake();
        }));
  }
  std::shared_ptr<Answer> answer;
  if (!TakeAnswer(&answer)) return false;
  MutexLock lock(answer->mutex);
  ECF8_RETURN_IF_ERROR(answer->status);
  *units = std::move(answer->units);
  return true;
}

absl::Status Preload::CollectReady() {
  for (UnitLease& lease : leases_) {
    const uint32_t index = lease->request().unit_index;
    if (lease->declined()) {
      ++progress_.units_not_kept;
      progress_.bytes_not_kept += BytesOf(index);
    } else {
      ECF8_RETURN_IF_ERROR(lease->status());
      if (!lease->ready()) continue;
      progress_.bytes_loaded += BytesOf(index);
    }
    ++progress_.units_done;
    progress_.bytes_done += BytesOf(index);
    lease.Release();
  }
  std::erase_if(leases_, [](const UnitLease& lease) { return !lease; });
  return absl::OkStatus();
}

absl::Status Preload::AskFor(uint32_t unit_index) {
  const Tier tier = order_.set.tier;
  ECF8_ASSIGN_OR_RETURN(UnitLease lease, engine_.Acquire({.model = order_.set.model,
                                                          .unit_index = unit_index,
                                                          .form = FormFor(tier),
                                                          .priority = Priority::kPreload,
                                                          .for_frames = tier == Tier::kDevice,
                                                          .flow = flow_,
                                                          .on_progress = wake_}));
  leases_.push_back(std::move(lease));
  return absl::OkStatus();
}

absl::Status Preload::AskForMore() {
  uint64_t bytes = 0;
  resumes_at_ns_ = 0;
  for (const UnitLease& lease : leases_) bytes += lease->unit().decoded_size_bytes;
  while (next_ < absent_.size() && leases_.size() < kMaxUnitsAtOnce) {
    const Unit& unit = order_.model->model()->unit(absent_[next_]);
    bytes += unit.decoded_size_bytes;
    if (!leases_.empty() && bytes > kMaxBytesAtOnce) break;
    const int64_t now_ns = NowNs();
    if (now_ns < rate_.free_at_ns()) {
      if (leases_.empty()) resumes_at_ns_ = rate_.free_at_ns();
      break;
    }
    ECF8_RETURN_IF_ERROR(AskFor(absent_[next_++]));
    rate_.Take(unit.stored_size_bytes, now_ns);
  }
  return absl::OkStatus();
}

}  // namespace ecf8
