// Session: where slots are its own. A unit's place is found before the unit is asked for; it is
// decoded in slots that all share, which the session holds for no longer than the copy takes,
// whatever its client does.
#include <utility>

#include "loader/engine/unit_errors.h"
#include "loader/model/error_info.h"
#include "loader/session/session.h"

namespace ecf8 {

absl::Status Session::NoPlace() const {
  return WithErrorInfo(
      absl::ResourceExhaustedError("what the session has left lies in too small pieces"),
      {.reason = ErrorReason::kOverloaded, .model = model().name()});
}

// Places for all units of the set that have none; false, and nothing reserved, where it has to wait
// for them. What is ahead gives way.
bool Session::ReserveOwn(const Set& set) {
  const auto reserve = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (const uint32_t unit : set.units) {
      const auto found = entries_.find(unit);
      if (found != entries_.end() && !found->second.failed) continue;
      auto own = own_slots_->Allocate(model().unit(unit).decoded_size_bytes);
      if (own == nullptr) return false;
      reserved_[unit] = std::move(own);
    }
    return true;
  };
  while (!reserve()) {
    reserved_.clear();
    if (!DropLastAhead(/*from_ahead=*/true)) return false;
  }
  return true;
}

std::shared_ptr<OwnSlots::Slot> Session::TakeOwn(uint32_t unit) {
  const auto reserved = reserved_.extract(unit);
  if (!reserved.empty()) return std::move(reserved.mapped());
  return own_slots_->Allocate(model().unit(unit).decoded_size_bytes);
}

// The unit is decoded. Its entry may be gone when the copy has ended, and another of the same unit
// be there.
void Session::BeginCopy(uint32_t unit, Entry& entry) {
  engine_.CopyToRun(std::move(entry.lease), entry.own->memory_dev(),
                    [weak = weak_from_this(), own = entry.own, unit](const absl::Status& status) {
                      if (const auto self = weak.lock()) self->OnCopied(unit, own.get(), status);
                    });
}

void Session::OnCopied(uint32_t unit, const OwnSlots::Slot* own, const absl::Status& status) {
  {
    MutexLock lock(mutex_);
    const auto found = entries_.find(unit);
    if (closed_ || found == entries_.end() || found->second.own.get() != own) return;
    Entry& entry = found->second;
    entry.copied = status.ok() ? status : SlotReadFailure(model(), model().unit(unit), status);
    Settle(unit, entry);
  }
  Announce();
}

}  // namespace ecf8
