// Keeps what connections make gRPC hold within a limit, by closing them (see shedding.h).
#ifndef ECF8_RPC_CONNECTION_GUARD_H_
#define ECF8_RPC_CONNECTION_GUARD_H_

#include <sys/socket.h>
#include <time.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "rpc/connection_table.h"
#include "rpc/heap_watch.h"
#include "rpc/shedding.h"
#include "rpc/transport_counts.h"

namespace ecf8 {

// Looked at by a thread that has nothing to do with gRPC: any that calls it may be kept to work off
// what a peer sends, for as long as more comes. Thread-compatible.
class ConnectionGuard {
 public:
  using Clock = std::chrono::steady_clock;
  // Whether a process has a session.
  using HasSession = std::function<bool(const ucred&)>;

  // `limit_bytes`: of the heap. After gRPC's server has been started, and before a connection.
  ConnectionGuard(uint64_t limit_bytes, HasSession has_session)
      : limit_bytes_(limit_bytes),
        has_session_(std::move(has_session)),
        heap_(limit_bytes),
        clock_(limit_bytes) {}

  // Around handing a connection over to gRPC, on the thread that does, one after the other. Returns
  // what it is known by.
  void BeginHandOver(int fd);
  std::string EndHandOver();

  // Looks, and cuts what has to go of `connections`: where memory runs out, and where one keeps the
  // thread that hands it over. Returns how many.
  size_t Look(ConnectionTable& connections, Clock::time_point now);

  // While nobody new is to be taken, they wait.
  bool MayAccept(Clock::time_point now) const { return clock_.MayAccept(now); }

  // Until the next Look.
  std::chrono::milliseconds interval() const;

 private:
  // By the processor's time of the thread that hands it over.
  struct HandOver {
    int fd = -1;
    clockid_t clock{};
    std::chrono::nanoseconds began{};
  };

  size_t CutWhoKeepsTheThread(ConnectionTable& connections);
  size_t Shed(ConnectionTable& connections, Shedding shedding) const;

  const uint64_t limit_bytes_;
  const HasSession has_session_;
  TransportCounts counts_;
  HeapWatch heap_;
  SheddingClock clock_;
  HandOver hand_over_;
  uint64_t heap_bytes_ = 0;
  Clock::time_point give_back_after_;
  Clock::time_point give_back_until_;
};

}  // namespace ecf8

#endif  // ECF8_RPC_CONNECTION_GUARD_H_
