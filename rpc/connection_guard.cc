#include "rpc/connection_guard.h"

#include <array>
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

// Nobody reads what its peer has sent and gRPC has not taken yet, and its peer sends no more. gRPC
// finds its end, and closes it.
void Cut(int fd) {
  shutdown(fd, SHUT_RDWR);
  std::array<char, 65536> nothing;
  while (recv(fd, nothing.data(), nothing.size(), MSG_DONTWAIT) > 0) {
  }
}

}  // namespace

milliseconds ConnectionGuard::interval() const {
  return heap_bytes_ < limit_bytes_ / 2 ? kInterval : kShortInterval;
}

size_t ConnectionGuard::Look(ConnectionTable& connections, Clock::time_point now) {
  heap_bytes_ = heap_.InUse(now);
  const bool is_settling = clock_.is_over() && connections.HasCut();
  const Shedding shedding = clock_.Look(heap_bytes_, is_settling, now);
  const size_t shed = shedding == Shedding::kNone ? 0 : Shed(connections, shedding);
  if (clock_.is_over()) {
    give_back_until_ = now + kGiveBackTime;
  } else if (now >= give_back_after_ && now < give_back_until_) {
    give_back_after_ = now + kGiveBackInterval;
    heap_.GiveBack();
  }
  return shed;
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
    open[i]->is_cut = true;
    Cut(open[i]->fd);
  }
  spdlog::warn(
      "memory beyond the budgets has grown to {} MiB, and heap-limit is {} MiB: {} of {} "
      "connections were closed",
      heap_bytes_ >> 20, limit_bytes_ >> 20, chosen.size(), open.size());
  return chosen.size();
}

}  // namespace ecf8
