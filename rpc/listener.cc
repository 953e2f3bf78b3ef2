#include "rpc/listener.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/thread.h"
#include "rpc/unix_socket.h"
#include "spdlog/spdlog.h"

namespace ecf8 {
namespace {

// Of one socket before the others' turn.
constexpr int kBatch = 64;
// Where no descriptor is left, and while the guard wants nobody new.
constexpr std::chrono::milliseconds kPause(100);
// While nobody comes, those that have left are noticed so often.
constexpr std::chrono::milliseconds kCountInterval(1000);

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Start(std::vector<Descriptor> sockets,
                                                          ListenerOptions options) {
  ECF8_ASSIGN_OR_RETURN(WakeEvent wake, WakeEvent::Make());
  std::unique_ptr<Listener> listener(
      new Listener(std::move(sockets), std::move(options), std::move(wake)));
  Listener* const raw = listener.get();
  if (raw->guard_ != nullptr) {
    ECF8_ASSIGN_OR_RETURN(raw->guarding_,
                          StartThread("no thread for the guard", [raw] { raw->Guard(); }));
  }
  ECF8_ASSIGN_OR_RETURN(raw->accepting_,
                        StartThread("no thread for the listener", [raw] { raw->Accept(); }));
  return listener;
}

Listener::Listener(std::vector<Descriptor> sockets, ListenerOptions options, WakeEvent wake)
    : sockets_(std::move(sockets)),
      users_(std::move(options.users)),
      hand_over_(std::move(options.hand_over)),
      wake_(std::move(wake)),
      connections_(options.limits),
      guard_(std::move(options.guard)) {}

Listener::~Listener() { Stop(); }

void Listener::Stop() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    turned_.NotifyAll();
    guarded_.NotifyAll();
  }
  wake_.Signal();
  if (accepting_.joinable()) accepting_.join();
  if (guarding_.joinable()) guarding_.join();
}

void Listener::WaitForLoop() {
  MutexLock lock(mutex_);
  const uint64_t mine = ++asked_;
  wake_.Signal();
  while (answered_ < mine && !ending_) turned_.Wait(lock);
}

Listener::Stats Listener::stats() const {
  MutexLock lock(mutex_);
  return stats_;
}

bool Listener::Answer() {
  wake_.Clear();
  MutexLock lock(mutex_);
  answered_ = asked_;
  turned_.NotifyAll();
  return !ending_;
}

bool Listener::MayAccept(Clock::time_point now) const {
  if (now < accept_after_) return false;
  MutexLock lock(mutex_);
  return guard_ == nullptr || guard_->MayAccept(now);
}

void Listener::Accept() {
  while (true) {
    const bool accepts = MayAccept(Clock::now());
    std::vector<pollfd> set = {{wake_.fd(), POLLIN, 0}};
    for (const Descriptor& socket : sockets_) {
      set.push_back({accepts ? socket.get() : -1, POLLIN, 0});
    }
    const auto patience = accepts ? kCountInterval : kPause;
    poll(set.data(), set.size(), static_cast<int>(patience.count()));
    if (set[0].revents != 0 && !Answer()) return;
    const Clock::time_point now = Clock::now();
    for (size_t i = 0; i < sockets_.size(); ++i) {
      if (set[i + 1].revents != 0) AcceptSome(sockets_[i].get(), now);
    }
    MutexLock lock(mutex_);
    if (now < count_after_) continue;
    count_after_ = now + kCountInterval;
    stats_.open = connections_.Open().size();
  }
}

void Listener::Guard() {
  MutexLock lock(mutex_);
  while (!ending_) {
    const std::chrono::milliseconds rest =
        connections_.empty() ? kCountInterval : guard_->interval();
    guarded_.WaitUntil(lock, Clock::now() + rest);
    stats_.shed += guard_->Look(connections_, Clock::now());
  }
}

void Listener::AcceptSome(int listener_fd, Clock::time_point now) {
  for (int i = 0; i < kBatch && MayAccept(now); ++i) {
    Descriptor connection(accept4(listener_fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection) {
      Take(listener_fd, std::move(connection), now);
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      spdlog::warn("no connection can be taken: {}", std::strerror(errno));
      accept_after_ = now + kPause;
    }
    return;
  }
}

void Listener::Take(int listener_fd, Descriptor connection, Clock::time_point now) {
  const bool is_welcome = IsWelcome(connection.get());
  const std::string peer = PeerOf(connection.get());
  {
    MutexLock lock(mutex_);
    if (connections_.empty()) guarded_.NotifyAll();
    if (is_welcome && connections_.TryAdd(connection.get(), peer, now)) {
      ++stats_.accepted;
      if (guard_ != nullptr) guard_->BeginHandOver(connection.get());
    } else {
      ++(is_welcome ? stats_.refused_full : stats_.refused_strangers);
      spdlog::warn("a connection was refused: {}", is_welcome ? "there are as many as there may be"
                                                              : "its user is none of socket-user");
      return;
    }
  }
  const int fd = connection.Release();
  hand_over_(listener_fd, fd);
  MutexLock lock(mutex_);
  if (guard_ != nullptr) connections_.Name(fd, guard_->EndHandOver());
}

bool Listener::IsWelcome(int fd) const {
  if (users_.empty()) return true;
  int family = 0;
  socklen_t size = sizeof(family);
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0) return false;
  if (family != AF_UNIX) return true;
  const std::optional<ucred> peer = PeerCredentials(fd);
  if (!peer) return false;
  return peer->uid == geteuid() ||
         std::find(users_.begin(), users_.end(), peer->uid) != users_.end();
}

}  // namespace ecf8
