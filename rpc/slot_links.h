// The connections at the slot socket whose ticket is known: where a session's own slots are handed
// over.
#ifndef ECF8_RPC_SLOT_LINKS_H_
#define ECF8_RPC_SLOT_LINKS_H_

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <map>

#include "loader/base/mutex.h"
#include "loader/session/ticket_table.h"
#include "rpc/slot_handshake.h"

namespace ecf8 {

// Sends `message` with the descriptors, which stay the caller's, to a client that has room for it
// unless it misbehaves; none: those below 0. False where it does not take it. Never blocks.
bool SendWithDescriptors(int fd, const void* message, size_t size_bytes,
                         const std::array<int, kSlotDescriptors>& descriptors);

// Thread-safe.
class SlotLinks {
 public:
  // `fd` stays open until Remove has returned.
  void Add(const Ticket& ticket, int fd);
  void Remove(const Ticket& ticket);

  // False where the connection is gone, or does not take it.
  [[nodiscard]] bool Send(const Ticket& ticket, const SessionSlots& slots, int slot_fd,
                          int generation_fd) const;

  // Whether any is of the process `peer`.
  bool HasPeer(const ucred& peer) const;

 private:
  mutable Mutex mutex_;
  std::map<Ticket, int> links_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ecf8

#endif  // ECF8_RPC_SLOT_LINKS_H_
