// The daemon's side of the slot socket: hands the slots' descriptors to those who may map them.
//
// One thread polls all connections; none of them can make it wait. A connection lives as long as
// the session that its ticket has opened: where one ends, so does the other. What a session says
// and hears once it is open passes here, on the same thread: a step costs a fraction of what it
// does over gRPC.
#ifndef ECF8_RPC_SLOT_SOCKET_H_
#define ECF8_RPC_SLOT_SOCKET_H_

#include <poll.h>
#include <sys/types.h>

#include <array>
#include <atomic>
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
#include "loader/base/wake_event.h"
#include "loader/engine/device.h"
#include "loader/session/ticket_table.h"
#include "rpc/slot_handshake.h"
#include "rpc/slot_links.h"
#include "rpc/step_connection.h"
#include "rpc/unix_socket.h"

namespace ecf8 {

struct SlotSocketOptions {
  std::string path;
  std::optional<gid_t> group{};  // who may connect besides: see ListenOnUnix
  SharedSlots slots{};           // outlive the socket
  bool slots_follow = false;     // a session's own, once it is open: `slots` are of no bytes
  // More are told so, and closed.
  size_t max_connections = 80;
  size_t max_step_bytes = size_t{1} << 20;  // a longer one ends the session
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
    // Once the hello has been answered.
    std::optional<Ticket> ticket;
    std::shared_ptr<SlotLink> link;
    std::unique_ptr<StepConnection> steps;
  };

  SlotSocket(SlotSocketOptions options, TicketTable& tickets, SlotLinks& links)
      : options_(std::move(options)), tickets_(tickets), links_(links) {}

  absl::Status Listen(Descriptor passed);
  void Run();
  void FillPollSet(Clock::time_point now);
  void AcceptAll(Clock::time_point now);
  void ServeAll(Clock::time_point now);
  // Each of them: false where the connection is to be closed.
  bool Serve(Connection& connection, bool is_readable);
  bool ReadHello(Connection& connection);
  bool Answer(Connection& connection);
  bool MayStay(const Connection& connection, Clock::time_point now) const;
  void Close(const Connection& connection);

  const SlotSocketOptions options_;
  TicketTable& tickets_;
  SlotLinks& links_;
  std::optional<SocketClaim> claim_;  // of a new one
  Descriptor listener_;
  std::shared_ptr<const WakeEvent> waker_;
  std::atomic<bool> stopping_ = false;
  // The thread's.
  std::vector<Connection> connections_;
  std::vector<pollfd> poll_set_;  // the waker, the listener, connections
  Clock::time_point ticked_;
  Clock::time_point accept_after_;  // no descriptor was left: not again before

  mutable Mutex mutex_;
  size_t connection_count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

}  // namespace ecf8

#endif  // ECF8_RPC_SLOT_SOCKET_H_
