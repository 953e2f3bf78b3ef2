// Tickets: what ties a session over gRPC, which tells nobody's uid, to a connection over the slot
// socket, which does.
//
// Who is handed the slots' descriptors is handed a ticket with them, 128 random bits that nobody
// else knows. It opens one session, once. Both live as long as each other: where the connection
// closes the session is told, and a ticket whose session has ended is not known any more.
#ifndef ECF8_LOADER_SESSION_TICKET_TABLE_H_
#define ECF8_LOADER_SESSION_TICKET_TABLE_H_

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/base/mutex.h"

namespace ecf8 {

inline constexpr size_t kTicketBytes = 16;
using Ticket = std::array<uint8_t, kTicketBytes>;

// Thread-safe. Bounded by those who ask for tickets: each has one.
class TicketTable {
 public:
  // Slots are mapped by one user's clients alone: memory that one has mapped stays mapped, and
  // would show what is put there for another.
  explicit TicketTable(uid_t owner) : owner_(owner) {}

  uid_t owner() const { return owner_; }

  // PERMISSION_DENIED for anybody but the owner; INTERNAL where the kernel has no random bits.
  absl::StatusOr<Ticket> Issue(uid_t uid);

  // Opens a session. `on_void` is called once, on any thread, if the ticket becomes void before the
  // session has ended. PERMISSION_DENIED for anything that is not a ticket that was issued, is not
  // void, and has not been redeemed.
  absl::StatusOr<Ticket> Redeem(std::string_view bytes, std::function<void()> on_void);

  // The session has ended: the ticket is not known any more.
  void End(const Ticket& ticket);

  // The connection is closed.
  void Void(const Ticket& ticket);

  // Neither void nor ended.
  bool Knows(const Ticket& ticket) const;
  bool IsRedeemed(const Ticket& ticket) const;

 private:
  struct Entry {
    bool redeemed = false;
    std::function<void()> on_void;
  };

  const uid_t owner_;
  mutable Mutex mutex_;
  std::map<Ticket, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ecf8

#endif  // ECF8_LOADER_SESSION_TICKET_TABLE_H_
