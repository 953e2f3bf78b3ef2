// The connections at the slot socket whose ticket is known: where a session's own slots are handed
// over, and what a session says once it is open (docs/SESSIONS.md).
#ifndef ECF8_RPC_SLOT_LINKS_H_
#define ECF8_RPC_SLOT_LINKS_H_

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "ecf8/v1/session.pb.h"
#include "loader/base/mutex.h"
#include "loader/base/wake_event.h"
#include "loader/session/ticket_table.h"
#include "rpc/slot_handshake.h"

namespace ecf8 {

// Sends `message` with the descriptors, which stay the caller's, to a client that has room for it
// unless it misbehaves; none: those below 0. False where it does not take it. Never blocks.
bool SendWithDescriptors(int fd, const void* message, size_t size_bytes,
                         const std::array<int, kSlotDescriptors>& descriptors);

// A session, as the slot socket's thread sees it. One call at a time.
class SessionSteps {
 public:
  virtual ~SessionSteps() = default;

  // What the client says: a SessionRequest. False: it ends the session.
  virtual bool OnStep(std::string_view message) = 0;

  // What is to be said next; false where there is nothing. What it gave before has been sent.
  virtual bool TakeStep(v1::SessionResponse* response) = 0;
};

// One connection. Thread-safe.
class SlotLink {
 public:
  // `fd` stays open until Close. `waker` wakes the slot socket's thread.
  SlotLink(int fd, std::shared_ptr<const WakeEvent> waker) : waker_(std::move(waker)), fd_(fd) {}

  // False where the connection is gone, or does not take it.
  [[nodiscard]] bool SendSlots(const SessionSlots& slots, int slot_fd, int generation_fd);

  // From now on the session's steps come and go here.
  void SetSteps(std::weak_ptr<SessionSteps> steps);
  // Null where there are none, any more.
  std::shared_ptr<SessionSteps> steps() const;

  // There may be something to take, or the session has ended: the slot socket's thread looks.
  void Notify();

  // That thread's. Whoever notifies between the two makes EndService return false: look again.
  bool is_notified() const { return (service_.load() & kNotified) != 0; }
  void BeginService() { service_.store(kServing); }
  bool EndService();

  // Who is at the other end; nothing where it is closed.
  std::optional<ucred> peer() const;

  void Close();

 private:
  static constexpr uint8_t kNotified = 1;
  static constexpr uint8_t kServing = 2;

  const std::shared_ptr<const WakeEvent> waker_;
  std::atomic<uint8_t> service_ = 0;

  mutable Mutex mutex_;
  int fd_ ABSL_GUARDED_BY(mutex_);  // -1: closed
  std::weak_ptr<SessionSteps> steps_ ABSL_GUARDED_BY(mutex_);
};

// By ticket. Thread-safe.
class SlotLinks {
 public:
  void Add(const Ticket& ticket, std::shared_ptr<SlotLink> link);
  void Remove(const Ticket& ticket);

  // Null where the connection is gone.
  std::shared_ptr<SlotLink> Find(const Ticket& ticket) const;

  // Whether any is of the process `peer`.
  bool HasPeer(const ucred& peer) const;

 private:
  mutable Mutex mutex_;
  std::map<Ticket, std::shared_ptr<SlotLink>> links_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ecf8

#endif  // ECF8_RPC_SLOT_LINKS_H_
