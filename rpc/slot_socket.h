// The daemon's side of the slot socket: hands the slots' descriptors to those who may map them.
//
// One thread polls all connections; none of them can make it wait. A connection lives as long as
// the session that its ticket has opened: where one ends, so does the other.
#ifndef ECF8_RPC_SLOT_SOCKET_H_
#define ECF8_RPC_SLOT_SOCKET_H_

#include <poll.h>
#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/base/descriptor.h"
#include "loader/base/mutex.h"
#include "loader/engine/device.h"
#include "loader/session/ticket_table.h"
#include "rpc/slot_handshake.h"
#include "rpc/slot_links.h"
#include "rpc/unix_socket.h"

namespace ecf8 {

struct SlotSocketOptions {
  std::string path;
  std::optional<gid_t> group{};  // who may connect besides: see ListenOnUnix
  SharedSlots slots{};           // outlive the socket
  bool slots_follow = false;     // a session's own, once it is open: `slots` are of no bytes
  // More are told so, and closed.
  size_t max_connections = 80;
  // After which a connection is closed that has not said hello, or whose ticket has not been
  // redeemed.
  std::chrono::milliseconds patience{5000};
  // Called on the socket's thread several times a second while there are connections, and about
  // once a second else. Short. May be empty.
  std::function<void()> on_tick{};
};

// Thread-safe.
class SlotSocket {
 public:
  // Listens when it returns: with `passed`, where that is a socket, or else at a new one. `tickets`
  // and `links`, which has its connections, outlive the socket. Errors as SocketClaim::Take and
  // ListenOnUnix, and RESOURCE_EXHAUSTED.
  static absl::StatusOr<std::unique_ptr<SlotSocket>> Start(SlotSocketOptions options,
                                                           TicketTable& tickets, SlotLinks& links,
                                                           Descriptor passed = {});
  SlotSocket(const SlotSocket&) = delete;
  SlotSocket& operator=(const SlotSocket&) = delete;
  // Closes every connection, which ends their sessions.
  ~SlotSocket();

  // Nobody new finds it, but for one that was passed.
  void Hide() const {
    if (claim_) claim_->HideSocket();
  }

  size_t connection_count() const;

 private:
  using Clock = std::chrono::steady_clock;

  struct Connection {
    int fd = -1;
    Clock::time_point since;
    std::array<char, kSlotHello.size()> hello{};
    size_t hello_bytes = 0;  // that have come
    std::optional<Ticket> ticket;
  };

  SlotSocket(SlotSocketOptions options, TicketTable& tickets, SlotLinks& links)
      : options_(std::move(options)), tickets_(tickets), links_(links) {}

  absl::Status Listen(Descriptor passed);
  void Run();
  std::vector<pollfd> PollSet(Clock::time_point now) const;
  void AcceptAll(Clock::time_point now);
  // Each of them: false where the connection is to be closed.
  bool Serve(Connection& connection);
  bool Answer(Connection& connection);
  bool MayStay(const Connection& connection, Clock::time_point now) const;
  void Close(const Connection& connection);

  const SlotSocketOptions options_;
  TicketTable& tickets_;
  SlotLinks& links_;
  std::optional<SocketClaim> claim_;  // of a new one
  Descriptor listener_;
  int wake_ = -1;  // an eventfd: readable when the thread is to end
  // The thread's.
  std::vector<Connection> connections_;
  Clock::time_point accept_after_;  // no descriptor was left: not again before

  mutable Mutex mutex_;
  size_t connection_count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

}  // namespace ecf8

#endif  // ECF8_RPC_SLOT_SOCKET_H_
