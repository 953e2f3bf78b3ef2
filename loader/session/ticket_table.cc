#include "loader/session/ticket_table.h"

#include <errno.h>
#include <sys/random.h>

#include <algorithm>
#include <string>
#include <utility>

#include "loader/base/file.h"
#include "loader/model/error_info.h"

namespace ecf8 {
namespace {

// The same whatever is wrong with it: who guesses learns nothing.
absl::Status NoSuchTicket() {
  return WithErrorInfo(
      absl::PermissionDeniedError(
          "no such ticket: a session begins with one from the daemon's slot socket"),
      {.reason = ErrorReason::kBadRequest});
}

}  // namespace

absl::StatusOr<Ticket> TicketTable::Issue(uid_t uid) {
  if (uid != owner_) {
    return absl::PermissionDeniedError("the slots are those of user " + std::to_string(owner_) +
                                       ": user " + std::to_string(uid) + " may fetch instead");
  }
  Ticket ticket;
  // So few bytes come whole or not at all.
  if (getrandom(ticket.data(), ticket.size(), 0) != static_cast<ssize_t>(ticket.size())) {
    return ErrnoStatus(errno, "no random bits for a ticket");
  }
  MutexLock lock(mutex_);
  entries_[ticket];
  return ticket;
}

absl::StatusOr<Ticket> TicketTable::Redeem(std::string_view bytes, std::function<void()> on_void) {
  Ticket ticket;
  if (bytes.size() != ticket.size()) return NoSuchTicket();
  std::copy(bytes.begin(), bytes.end(), ticket.begin());
  MutexLock lock(mutex_);
  const auto found = entries_.find(ticket);
  if (found == entries_.end() || found->second.redeemed) return NoSuchTicket();
  found->second = {.redeemed = true, .on_void = std::move(on_void)};
  return ticket;
}

void TicketTable::End(const Ticket& ticket) {
  MutexLock lock(mutex_);
  entries_.erase(ticket);
}

void TicketTable::Void(const Ticket& ticket) {
  std::function<void()> on_void;
  {
    MutexLock lock(mutex_);
    const auto found = entries_.find(ticket);
    if (found == entries_.end()) return;
    on_void = std::move(found->second.on_void);
    entries_.erase(found);
  }
  if (on_void) on_void();
}

bool TicketTable::Knows(const Ticket& ticket) const {
  MutexLock lock(mutex_);
  return entries_.contains(ticket);
}

bool TicketTable::IsRedeemed(const Ticket& ticket) const {
  MutexLock lock(mutex_);
  const auto found = entries_.find(ticket);
  return found != entries_.end() && found->second.redeemed;
}

}  // namespace ecf8
