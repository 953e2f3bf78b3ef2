#include "rpc/connection_guard.h"

#include <pthread.h>

#include <optional>
#include <vector>

#include "rpc/unix_socket.h"
#include "spdlog/spdlog.h"

namespace ecf8 {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kInterval(20);
constexpr milliseconds kShortInterval(5);  // from half of the limit on
// What a flood has left is not free all at once.
constexpr milliseconds kGiveBackInterval(2000);
constexpr milliseconds kGiveBackTime(120'000);

// No peer costs so much to begin with, TLS's handshake included.
constexpr milliseconds kHandOverTime(50);

std::chrono::nanoseconds TimeOf(clockid_t clock) {
  timespec time = {};
  clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

void ConnectionGuard::BeginHandOver(int fd) {
  hand_over_.fd = fd;
  hand_over_.began = TimeOf(CLOCK_THREAD_CPUTIME_ID);
  pthread_getcpuclockid(pthread_self(), &hand_over_.clock);
}

std::string ConnectionGuard::EndHandOver() {
  return counts_.NameOf(std::exchange(hand_over_.fd, -1));
}

milliseconds ConnectionGuard::interval() const {
  return heap_bytes_ < limit_bytes_ / 2 ? kInterval : kShortInterval;
}

size_t ConnectionGuard::Look(ConnectionTable& connections, Clock::time_point now) {
  heap_bytes_ = heap_.InUse(now);
  const bool is_settling = clock_.is_over() && connections.HasCut();
  const Shedding shedding = clock_.Look(heap_bytes_, is_settling, now);
  size_t cut = CutWhoKeepsTheThread(connections);
  if (shedding != Shedding::kNone) cut += Shed(connections, shedding);
  if (heap_bytes_ >= limit_bytes_ / 2) give_back_until_ = now + kGiveBackTime;
  if (!clock_.is_over() && now >= give_back_after_ && now < give_back_until_) {
    give_back_after_ = now + kGiveBackInterval;
    heap_.GiveBack();
  }
  return cut;
}

size_t ConnectionGuard::CutWhoKeepsTheThread(ConnectionTable& connections) {
  if (hand_over_.fd < 0 || TimeOf(hand_over_.clock) - hand_over_.began < kHandOverTime) return 0;
  for (ConnectionTable::Connection& connection : connections.Open()) {
    if (connection.fd != hand_over_.fd || connection.is_cut) continue;
    ConnectionTable::Cut(connection);
    spdlog::warn("a connection was closed: it sent without a pause before it was served");
    return 1;
  }
  return 0;
}

size_t ConnectionGuard::Shed(ConnectionTable& connections, Shedding shedding) const {
  const TransportCounts::Counts counts = counts_.Look();
  std::vector<ConnectionTable::Connection*> open;
  std::vector<SheddingCandidate> candidates;
  for (ConnectionTable::Connection& connection : connections.Open()) {
    if (connection.is_cut) continue;
    const auto found = counts.find(connection.name);
    const std::optional<ucred> peer = PeerCredentials(connection.fd);
    open.push_back(&connection);
    candidates.push_back(
        {.counts = found == counts.end() ? std::nullopt : std::optional(found->second),
         .has_session = peer && has_session_(*peer)});
  }
  const std::vector<size_t> chosen = ChooseToShed(candidates, shedding);
  for (const size_t i : chosen) {
    ConnectionTable::Cut(*open[i]);
  }
  spdlog::warn(
      "memory beyond the budgets has grown to {} MiB, and heap-limit is {} MiB: {} of {} "
      "connections were closed",
      heap_bytes_ >> 20, limit_bytes_ >> 20, chosen.size(), open.size());
  return chosen.size();
}

}  // namespace ecf8
