#include "loader/session/session.h"

#include <algorithm>
#include <string>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/engine/unit_errors.h"
#include "loader/memory/slot_space.h"
#include "loader/model/error_info.h"

namespace ecf8 {
namespace {

absl::Status BadRequest(const CompressedModel& model, const std::string& message) {
  return WithErrorInfo(absl::InvalidArgumentError(message),
                       {.reason = ErrorReason::kBadRequest, .model = model.name()});
}

absl::Status SetDoesNotFit(const CompressedModel& model, uint64_t needed_bytes,
                           uint64_t granted_bytes) {
  return WithErrorInfo(
      absl::ResourceExhaustedError("the set takes " + std::to_string(needed_bytes) +
                                   " bytes of slots, and the session was granted " +
                                   std::to_string(granted_bytes)),
      {.reason = ErrorReason::kBudgetTooSmall,
       .model = model.name(),
       .shortfall_bytes = needed_bytes - granted_bytes});
}

absl::Status NoMemoryInTime(const CompressedModel& model, std::chrono::milliseconds patience) {
  return WithErrorInfo(absl::ResourceExhaustedError(
                           "the set found no memory within " + std::to_string(patience.count()) +
                           " ms beside what is leased: release a set, and try again"),
                       {.reason = ErrorReason::kOverloaded, .model = model.name()});
}

absl::Status NotReadyInTime(const CompressedModel& model) {
  return WithErrorInfo(absl::DeadlineExceededError("the set was not ready in the time it had"),
                       {.reason = ErrorReason::kOverloaded, .model = model.name()});
}

}  // namespace

Session::Session(Engine& engine, const SessionLimits& limits, SessionPlan plan, PinHold residence,
                 std::shared_ptr<OwnSlots> own_slots, std::function<void()> on_outcome)
    : engine_(engine),
      limits_(limits),
      plan_(std::move(plan)),
      is_resident_(static_cast<bool>(residence)),
      has_own_slots_(own_slots != nullptr),
      on_outcome_(std::move(on_outcome)),
      flow_(engine.NewFlow()),
      residence_(std::move(residence)),
      walk_(plan_.walk),
      own_slots_(std::move(own_slots)) {}

Session::~Session() { Close(); }

void Session::Close() {
  MutexLock lock(mutex_);
  if (std::exchange(closed_, true)) return;
  entries_.clear();
  sets_.clear();
  queue_.clear();
  outcomes_.clear();
  ahead_.clear();
  hints_.clear();
  waiting_hints_.clear();
  held_hints_.clear();
  reserved_.clear();
  // After the leases, so that the next one finds the memory. Own slots go with the session, and
  // with the last copy that is under way.
  if (!has_own_slots_) engine_.slot_grants().Return(plan_.granted_bytes);
  own_slots_.reset();
  residence_.Release();
}

uint64_t Session::SlotBytesOf(uint32_t unit) const {
  return SlotSpace::SlotBytes(SizeBytesOf(unit));
}

uint64_t Session::ChargeOf(uint32_t unit) const {
  // A pin pays for a slot that all share.
  const bool is_paid = !has_own_slots_ && engine_.slot_grants().IsPinned(KeyOf(unit));
  return is_paid ? 0 : SlotBytesOf(unit);
}

absl::Status Session::CheckSet(uint64_t set_id, const std::vector<uint32_t>& units) const {
  if (sets_.contains(set_id)) {
    return BadRequest(model(), "set " + std::to_string(set_id) + " is in use");
  }
  if (units.empty() || units.size() > limits_.max_units) {
    return BadRequest(model(),
                      "a set has from 1 to " + std::to_string(limits_.max_units) + " units");
  }
  std::vector<uint32_t> sorted = units;
  std::sort(sorted.begin(), sorted.end());
  if (sorted.back() >= model().unit_count() ||
      std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    return BadRequest(
        model(), "a unit of set " + std::to_string(set_id) + " is not there, or is named twice");
  }
  if (sets_.size() >= limits_.max_sets) {
    return WithErrorInfo(absl::ResourceExhaustedError("a session has at most " +
                                                      std::to_string(limits_.max_sets) + " sets"),
                         {.reason = ErrorReason::kOverloaded, .model = model().name()});
  }
  return absl::OkStatus();
}

absl::Status Session::Acquire(SetRequest request) {
  {
    MutexLock lock(mutex_);
    if (closed_) return absl::OkStatus();
    for (const uint64_t released : request.release_set_ids) {
      ECF8_RETURN_IF_ERROR(EndLease(released));
    }
    const uint64_t set_id = request.set_id;
    ECF8_RETURN_IF_ERROR(CheckSet(set_id, request.units));
    uint64_t needed_bytes = 0;
    for (const uint32_t unit : request.units) {
      needed_bytes += ChargeOf(unit);
      walk_.Reached(unit);
    }
    Set& set = sets_[set_id];
    set.units = std::move(request.units);
    set.asked_at = Clock::now();
    if (request.timeout.count() > 0) set.until = set.asked_at + request.timeout;
    ++set_count_;
    if (plan_.model->retired()) {
      FailSet(set_id, set, ModelIsGone(model().name()));
    } else if (needed_bytes > plan_.granted_bytes) {
      FailSet(set_id, set, SetDoesNotFit(model(), needed_bytes, plan_.granted_bytes));
    } else {
      queue_.push_back(set_id);
    }
    Pump();
  }
  Announce();
  return absl::OkStatus();
}

absl::Status Session::EndLease(uint64_t set_id) {
  const auto found = sets_.find(set_id);
  if (found == sets_.end() || found->second.stage != Set::Stage::kTold) {
    return BadRequest(model(), "set " + std::to_string(set_id) + " is not leased");
  }
  Uncount(set_id, found->second);
  sets_.erase(found);
  return absl::OkStatus();
}

absl::Status Session::Release(uint64_t set_id) {
  {
    MutexLock lock(mutex_);
    if (closed_) return absl::OkStatus();
    ECF8_RETURN_IF_ERROR(EndLease(set_id));
    Pump();
  }
  Announce();
  return absl::OkStatus();
}

void Session::Cancel(uint64_t set_id) {
  {
    MutexLock lock(mutex_);
    const auto found = sets_.find(set_id);
    if (closed_ || found == sets_.end()) return;
    Set& set = found->second;
    const absl::Status cancelled =
        WithErrorInfo(absl::CancelledError("the client gave set " + std::to_string(set_id) + " up"),
                      {.reason = ErrorReason::kBadRequest, .model = model().name()});
    switch (set.stage) {
      case Set::Stage::kQueued:
      case Set::Stage::kWaiting:
        GiveUp(set_id, set, cancelled);
        break;
      case Set::Stage::kDone:
        Uncount(set_id, set);
        for (SetOutcome& outcome : outcomes_) {
          if (outcome.set_id == set_id) outcome = {set_id, cancelled, {}};
        }
        break;
      case Set::Stage::kTold:
        Uncount(set_id, set);
        sets_.erase(found);
        break;
    }
    Pump();
  }
  Announce();
}

absl::Status Session::Hint(absl::Span<const uint32_t> units) {
  for (const uint32_t unit : units) {
    if (unit >= model().unit_count()) {
      return BadRequest(model(), "no unit " + std::to_string(unit) + " to hint at");
    }
  }
  MutexLock lock(mutex_);
  if (closed_) return absl::OkStatus();
  const uint64_t until_set = set_count_ + limits_.hint_life_sets;
  for (const uint32_t unit : units) {
    if (hints_.size() >= limits_.max_hints) break;
    if (entries_.contains(unit) || !waiting_hints_.insert(unit).second) continue;
    hints_.push_back({unit, until_set});
  }
  Pump();
  return absl::OkStatus();
}

void Session::Skip(uint64_t count) {
  MutexLock lock(mutex_);
  if (closed_) return;
  walk_.Skip(count);
  Pump();
}

void Session::Continue() {
  {
    MutexLock lock(mutex_);
    if (closed_) return;
    Pump();
  }
  Announce();
}

std::optional<SetOutcome> Session::TakeOutcome() {
  MutexLock lock(mutex_);
  if (outcomes_.empty()) return std::nullopt;
  SetOutcome outcome = std::move(outcomes_.front());
  outcomes_.pop_front();
  const auto found = sets_.find(outcome.set_id);
  if (outcome.status.ok()) {
    found->second.stage = Set::Stage::kTold;
  } else {
    sets_.erase(found);
  }
  return outcome;
}

void Session::Announce() {
  {
    MutexLock lock(mutex_);
    if (outcomes_.empty()) return;
  }
  on_outcome_();
}

// For its turn, and memory: one that is queued or waiting.
bool Session::HasWaitedTooLong(const Set& set, Clock::time_point now) const {
  const Clock::time_point latest = now - limits_.set_patience;
  if (set.stage == Set::Stage::kQueued) return set.asked_at <= latest;
  for (const uint32_t unit : set.units) {
    const Entry& entry = entries_.at(unit);
    if (entry.settled || !entry.lease || entry.lease->begun()) continue;
    if ((entry.pin ? set.moved_at : set.asked_at) <= latest) return true;
  }
  return false;
}

void Session::Tick() {
  {
    MutexLock lock(mutex_);
    if (closed_) return;
    const Clock::time_point now = Clock::now();
    for (auto& [set_id, set] : sets_) {
      if (!set.waits()) continue;
      if (set.until <= now) {
        GiveUp(set_id, set, NotReadyInTime(model()));
      } else if (HasWaitedTooLong(set, now)) {
        GiveUp(set_id, set, NoMemoryInTime(model(), limits_.set_patience));
      }
    }
    Pump();
  }
  Announce();
}

void Session::OnUnitNews(uint32_t unit) {
  {
    MutexLock lock(mutex_);
    const auto found = entries_.find(unit);
    if (closed_ || found == entries_.end()) return;
    for (const uint64_t set_id : found->second.waiting_sets) {
      const auto set = sets_.find(set_id);
      if (set != sets_.end()) set->second.moved_at = Clock::now();
    }
    Settle(unit, found->second);
  }
  Announce();
}

std::optional<absl::Status> Session::ResultOf(const Entry& entry) {
  if (entry.copied) return entry.copied;
  if (!entry.lease) return std::nullopt;  // it is being copied
  const absl::Status status = entry.lease->status();
  if (status.ok() && !entry.lease->ready()) return std::nullopt;
  return status;
}

// Looks at the unit itself: the news may be old, of another hold of it.
void Session::Settle(uint32_t unit, Entry& entry) {
  if (entry.settled) return;
  const std::optional<absl::Status> result = ResultOf(entry);
  if (!result) return;
  const absl::Status& status = *result;
  if (status.ok() && entry.own != nullptr && !entry.copied) return BeginCopy(unit, entry);
  entry.settled = true;
  if (!status.ok()) {
    entry.failed = true;
    entry.own.reset();
    charged_bytes_ -= std::exchange(entry.slot_bytes, 0);
  }
  for (const uint64_t set_id : std::exchange(entry.waiting_sets, {})) {
    const auto found = sets_.find(set_id);
    if (found == sets_.end() || found->second.stage != Set::Stage::kWaiting) continue;
    Set& set = found->second;
    if (!status.ok()) {
      FailSet(set_id, set, status);
    } else if (--set.missing == 0) {
      FinishSet(set_id, set);
    }
  }
}

void Session::FinishSet(uint64_t set_id, Set& set) {
  SetOutcome outcome{.set_id = set_id, .status = absl::OkStatus(), .slots = {}};
  for (const uint32_t unit : set.units) {
    SlotView view = ViewOf(entries_.at(unit));
    view.size_bytes = SizeBytesOf(unit);
    outcome.slots.push_back(view);
  }
  set.stage = Set::Stage::kDone;
  outcomes_.push_back(std::move(outcome));
}

// But for the size.
SlotView Session::ViewOf(const Entry& entry) const {
  if (entry.own != nullptr) {
    return {.offset_bytes = entry.own->offset_bytes(), .generation = entry.own->generation()};
  }
  const absl::Span<const uint8_t> bytes = entry.lease->slot_dev();
  if (bytes.empty()) return {};
  const auto offset_bytes = static_cast<uint64_t>(bytes.data() - engine_.slot_memory_dev().data());
  return {.offset_bytes = offset_bytes,
          .generation = engine_.shared_slots().generations[offset_bytes / kSlotPageBytes]};
}

void Session::GiveUp(uint64_t set_id, Set& set, const absl::Status& status) {
  std::erase(queue_, set_id);
  FailSet(set_id, set, status);
}

void Session::FailSet(uint64_t set_id, Set& set, const absl::Status& status) {
  Uncount(set_id, set);
  set.stage = Set::Stage::kDone;
  outcomes_.push_back({.set_id = set_id, .status = status, .slots = {}});
}

// The entries that nobody uses then go at the next Pump.
void Session::Uncount(uint64_t set_id, Set& set) {
  if (!std::exchange(set.counted, false)) return;
  for (const uint32_t unit : set.units) {
    const auto found = entries_.find(unit);
    if (found == entries_.end()) continue;
    if (found->second.sets > 0) --found->second.sets;
    std::erase(found->second.waiting_sets, set_id);  // a client may use the number again
  }
}

}  // namespace ecf8
