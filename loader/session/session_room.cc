// Session: what of the grant goes to sets, to the schedule and to hints.
#include <cassert>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/model/error_info.h"
#include "loader/session/session.h"

namespace ecf8 {

void Session::Pump() {
  while (!queue_.empty() && AdmitFront()) {
  }
  if (plan_.model->retired()) ForgetAhead();
  ExpireHints();
  MarkAhead();
  DropUnused();
  if (!queue_.empty()) return;  // what is left is for the set that waits
  AcquireAhead();
  AcquireHints();
}

// False where the first set that is queued has to wait for room. What it needs and the session has
// already is kept for it; those behind it keep nothing yet, or they might wait for each other.
bool Session::AdmitFront() {
  const uint64_t set_id = queue_.front();
  Set& set = sets_.at(set_id);
  const bool is_new = !std::exchange(set.counted, true);
  uint64_t missing_bytes = 0;
  for (const uint32_t unit : set.units) {
    const auto found = entries_.find(unit);
    if (found != entries_.end() && is_new) ++found->second.sets;
    if (found == entries_.end() || found->second.failed) missing_bytes += ChargeOf(unit);
  }
  if (!MakeRoom(missing_bytes, /*from_ahead=*/true)) return false;
  if (has_own_slots_ && !ReserveOwn(set)) return false;
  queue_.pop_front();
  Demand(set_id, set);
  return true;
}

// False, and nothing dropped, where all that no set has would not be enough.
bool Session::MakeRoom(uint64_t bytes, bool from_ahead) {
  if (Fits(bytes)) return true;
  uint64_t droppable_bytes = 0;
  for (const auto& [unit, entry] : entries_) {
    if (entry.sets == 0 && (from_ahead || !entry.ahead)) droppable_bytes += entry.slot_bytes;
  }
  if (charged_bytes_ - droppable_bytes + bytes > plan_.granted_bytes) return false;
  DropUnused();
  // The last that was asked for is the last that will be needed.
  while (!Fits(bytes) && DropLastAhead(from_ahead)) {
  }
  assert(Fits(bytes));
  return true;
}

// The last of the hints, or of the schedule; false where there is none.
bool Session::DropLastAhead(bool from_ahead) {
  if (!held_hints_.empty()) {
    Unmark(held_hints_.back().unit, &Entry::hinted);
    held_hints_.pop_back();
    return true;
  }
  if (!from_ahead || ahead_.empty()) return false;
  Unmark(ahead_.back(), &Entry::ahead);
  ahead_.pop_back();
  return true;
}

void Session::Unmark(uint32_t unit, bool Entry::*mark) {
  const auto found = entries_.find(unit);
  if (found == entries_.end()) return;
  found->second.*mark = false;
  if (found->second.used()) return;
  charged_bytes_ -= found->second.slot_bytes;
  entries_.erase(found);
}

void Session::DropUnused() {
  std::erase_if(entries_, [this](const auto& item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (item.second.used()) return false;
    charged_bytes_ -= item.second.slot_bytes;
    return true;
  });
}

// A new entry, or a new try of one that has failed. There is room for it, unless it has been
// unpinned since somebody looked.
absl::Status Session::AcquireUnit(uint32_t unit, Priority priority) {
  PinUse pin;
  if (!has_own_slots_) pin = PinUse(engine_.slot_grants(), KeyOf(unit));
  const uint64_t charge_bytes = pin ? 0 : SlotBytesOf(unit);
  if (!Fits(charge_bytes)) {
    return WithErrorInfo(absl::ResourceExhaustedError("a unit was just unpinned: try again"),
                         {.reason = ErrorReason::kOverloaded, .model = model().name()});
  }
  std::shared_ptr<OwnSlots::Slot> own;
  if (has_own_slots_) {
    own = TakeOwn(unit);
    if (own == nullptr) return NoPlace();
  }
  auto lease = engine_.Acquire({.model = plan_.model->number(),
                                .unit_index = unit,
                                .form = plan_.form,
                                .priority = priority,
                                .flow = flow_,
                                .on_progress = [weak = weak_from_this(), unit] {
                                  if (const auto self = weak.lock()) self->OnUnitNews(unit);
                                }});
  ECF8_RETURN_IF_ERROR(lease.status());
  Entry& entry = entries_[unit];
  entry.lease = *std::move(lease);
  entry.pin = std::move(pin);
  entry.own = std::move(own);
  entry.copied.reset();
  entry.slot_bytes = charge_bytes;
  entry.settled = entry.failed = false;
  charged_bytes_ += entry.slot_bytes;
  return absl::OkStatus();
}

// The set has its room.
void Session::Demand(uint64_t set_id, Set& set) {
  set.stage = Set::Stage::kWaiting;
  set.moved_at = Clock::now();
  for (const uint32_t unit : set.units) {
    const bool is_there = entries_.contains(unit);
    if (!is_there || entries_.at(unit).failed) {
      const absl::Status status = AcquireUnit(unit, Priority::kDemand);
      if (!status.ok()) return FailSet(set_id, set, status);
    }
    Entry& entry = entries_.at(unit);
    if (!is_there) {
      entry.sets = 1;
    } else if (entry.ahead || entry.hinted) {
      if (entry.lease) entry.lease.Raise(Priority::kDemand);
      entry.hinted = false;  // it has served
    }
    if (entry.settled) continue;
    entry.waiting_sets.push_back(set_id);
    ++set.missing;
  }
  if (set.missing == 0) FinishSet(set_id, set);
}

void Session::MarkAhead() {
  for (const uint32_t unit : ahead_) {
    const auto found = entries_.find(unit);
    if (found != entries_.end()) found->second.ahead = false;
  }
  ahead_.clear();
  for (const uint32_t unit : walk_.Ahead()) {
    const auto found = entries_.find(unit);
    if (found == entries_.end()) continue;
    found->second.ahead = true;
    ahead_.push_back(unit);
  }
}

// What sets do not have.
void Session::ForgetAhead() {
  walk_ = SessionWalk();
  hints_.clear();
  waiting_hints_.clear();
  for (const HintedUnit& hint : held_hints_) Unmark(hint.unit, &Entry::hinted);
  held_hints_.clear();
}

// In the order of the walk, as far as there is room: what comes first must not wait for what comes
// later. One that has failed is left alone until it is asked for, or passed.
void Session::AcquireAhead() {
  for (const uint32_t unit : walk_.Ahead()) {
    if (entries_.contains(unit)) continue;  // and marked
    if (!MakeRoom(ChargeOf(unit), /*from_ahead=*/false) ||
        !AcquireUnit(unit, Priority::kHinted).ok()) {
      return;
    }
    entries_.at(unit).ahead = true;
    ahead_.push_back(unit);
  }
}

void Session::ExpireHints() {
  while (!hints_.empty() && hints_.front().until_set < set_count_) {
    waiting_hints_.erase(hints_.front().unit);
    hints_.pop_front();
  }
  while (!held_hints_.empty() && held_hints_.front().until_set < set_count_) {
    Unmark(held_hints_.front().unit, &Entry::hinted);
    held_hints_.pop_front();
  }
}

// Hints never push out what is held, another hint included: a flood of them reads no more than fits
// into the grant.
void Session::AcquireHints() {
  while (!hints_.empty()) {
    const HintedUnit hint = hints_.front();
    const uint64_t bytes = ChargeOf(hint.unit);
    if (!entries_.contains(hint.unit) && bytes <= plan_.granted_bytes) {
      if (!Fits(bytes) || !AcquireUnit(hint.unit, Priority::kHinted).ok()) return;
      entries_.at(hint.unit).hinted = true;
      held_hints_.push_back(hint);
    }
    waiting_hints_.erase(hint.unit);
    hints_.pop_front();
  }
}

}  // namespace ecf8
