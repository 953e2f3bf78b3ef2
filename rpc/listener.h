// Accepts the connections that gRPC serves.
//
// gRPC can listen itself, but tells nobody who is at the other end of a Unix socket, and takes
// connections without end. So one thread accepts, looks at the peer and at how many there are, and
// hands the descriptor over; another one guards what that costs.
#ifndef ECF8_RPC_LISTENER_H_
#define ECF8_RPC_LISTENER_H_

#include <poll.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/base/descriptor.h"
#include "loader/base/mutex.h"
#include "loader/base/wake_event.h"
#include "rpc/connection_guard.h"
#include "rpc/connection_table.h"

namespace ecf8 {

struct ListenerOptions {
  ConnectionLimits limits{};
  // Of a Unix socket: whose connections are taken, beside this process's own user's. Empty:
  // whoever may open the socket.
  std::vector<uid_t> users{};
  // Takes a connection, which has come by `listener_fd`, and closes it some day. On the thread that
  // accepts; must not block.
  std::function<void(int listener_fd, int fd)> hand_over{};
  // Closes those that take too much. May be null.
  std::unique_ptr<ConnectionGuard> guard{};
};

// Thread-safe.
class Listener {
 public:
  struct Stats {
    size_t open = 0;                 // connections, as of the last look
    uint64_t accepted = 0;           // since the start, the refused ones left out
    uint64_t refused_full = 0;       // beyond a limit
    uint64_t refused_strangers = 0;  // of users who may not
    uint64_t shed = 0;               // closed by the guard
  };

  // Accepts when it returns. `sockets` listen, and do not block. RESOURCE_EXHAUSTED where there is
  // no thread or descriptor.
  static absl::StatusOr<std::unique_ptr<Listener>> Start(std::vector<Descriptor> sockets,
                                                         ListenerOptions options);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();

  // Accepts no more; who waits for that goes on waiting, or to another who accepts from the same
  // socket. Connections stay.
  void Stop();

  // Returns when the thread has answered, or has stopped.
  void WaitForLoop();
  Stats stats() const;

 private:
  using Clock = std::chrono::steady_clock;

  Listener(std::vector<Descriptor> sockets, ListenerOptions options, WakeEvent wake);

  void Accept();
  void Guard();
  // False where the thread is to end.
  bool Answer();
  bool MayAccept(Clock::time_point now) const;
  void AcceptSome(int listener_fd, Clock::time_point now);
  void Take(int listener_fd, Descriptor connection, Clock::time_point now);
  bool IsWelcome(int fd) const;

  const std::vector<Descriptor> sockets_;
  const std::vector<uid_t> users_;
  const std::function<void(int, int)> hand_over_;
  const WakeEvent wake_;
  Clock::time_point accept_after_;  // no descriptor was left: not again before. Who accepts has it

  mutable Mutex mutex_;
  CondVar turned_;
  CondVar guarded_;  // wakes who does
  ConnectionTable connections_ ABSL_GUARDED_BY(mutex_);
  const std::unique_ptr<ConnectionGuard> guard_ ABSL_PT_GUARDED_BY(mutex_);
  uint64_t asked_ ABSL_GUARDED_BY(mutex_) = 0;     // for an answer
  uint64_t answered_ ABSL_GUARDED_BY(mutex_) = 0;  // up to which
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  Clock::time_point count_after_ ABSL_GUARDED_BY(mutex_);
  Stats stats_ ABSL_GUARDED_BY(mutex_);
  std::thread accepting_;
  std::thread guarding_;
};

}  // namespace ecf8

#endif  // ECF8_RPC_LISTENER_H_
