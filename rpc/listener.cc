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
constexpr std::chrono::milliseconds kOutOfDescriptorsPause(200);
// While nobody comes, those that have left are noticed so often.
constexpr std::chrono::milliseconds kCountInterval(1000);

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Start(std::vector<Descriptor> sockets,
                                                          ListenerOptions options) {
  ECF8_ASSIGN_OR_RETURN(WakeEvent wake, WakeEvent::Make());
  std::unique_ptr<Listener> listener(
      new Listener(std::move(sockets), std::move(options), std::move(wake)));
  ECF8_ASSIGN_OR_RETURN(listener->thread_, StartThread("no thread for the listener",
                                                       [raw = listener.get()] { raw->Run(); }));
  return listener;
}

Listener::Listener(std::vector<Descriptor> sockets, ListenerOptions options, WakeEvent wake)
    : sockets_(std::move(sockets)),
      options_(std::move(options)),
      wake_(std::move(wake)),
      connections_(options_.limits) {}

Listener::~Listener() { Stop(); }

void Listener::Stop() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    turned_.NotifyAll();
  }
  wake_.Signal();
  if (thread_.joinable()) thread_.join();
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

std::chrono::milliseconds Listener::Patience(bool accepts) const {
  const auto longest = accepts ? kCountInterval : kOutOfDescriptorsPause;
  if (options_.guard == nullptr || connections_.empty()) return longest;
  return std::min(longest, options_.guard->interval());
}

void Listener::Run() {
  while (true) {
    const Clock::time_point before = Clock::now();
    const bool accepts =
        before >= accept_after_ && (options_.guard == nullptr || options_.guard->MayAccept(before));
    std::vector<pollfd> set = {{wake_.fd(), POLLIN, 0}};
    for (const Descriptor& socket : sockets_) {
      set.push_back({accepts ? socket.get() : -1, POLLIN, 0});
    }
    poll(set.data(), set.size(), static_cast<int>(Patience(accepts).count()));
    if (set[0].revents != 0 && !Answer()) return;
    const Clock::time_point now = Clock::now();
    for (size_t i = 0; i < sockets_.size(); ++i) {
      if (set[i + 1].revents != 0) AcceptSome(sockets_[i].get(), now);
    }
    if (options_.guard != nullptr) {
      const size_t shed = options_.guard->Look(connections_, now);
      MutexLock lock(mutex_);
      stats_.shed += shed;
    }
    if (now < count_after_) continue;
    count_after_ = now + kCountInterval;
    const size_t open = connections_.Open().size();
    MutexLock lock(mutex_);
    stats_.open = open;
  }
}

void Listener::AcceptSome(int listener_fd, Clock::time_point now) {
  for (int i = 0; i < kBatch; ++i) {
    Descriptor connection(accept4(listener_fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection) {
      Take(listener_fd, std::move(connection), now);
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      spdlog::warn("no connection can be taken: {}", std::strerror(errno));
      accept_after_ = now + kOutOfDescriptorsPause;
    }
    return;
  }
}

void Listener::Take(int listener_fd, Descriptor connection, Clock::time_point now) {
  const bool is_welcome = IsWelcome(connection.get());
  const bool is_taken =
      is_welcome && connections_.TryAdd(connection.get(), PeerOf(connection.get()), now);
  {
    MutexLock lock(mutex_);
    ++(is_taken ? stats_.accepted : is_welcome ? stats_.refused_full : stats_.refused_strangers);
  }
  if (is_taken) {
    const int fd = connection.Release();
    options_.hand_over(listener_fd, fd);
    if (options_.guard != nullptr) connections_.NameNewest(options_.guard->NameOf(fd));
  } else if (is_welcome) {
    spdlog::warn("a connection was refused: there are as many as there may be");
  } else {
    spdlog::warn("a connection was refused: its user is none of socket-user");
  }
}

bool Listener::IsWelcome(int fd) const {
  if (options_.users.empty()) return true;
  int family = 0;
  socklen_t size = sizeof(family);
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0) return false;
  if (family != AF_UNIX) return true;
  const std::optional<ucred> peer = PeerCredentials(fd);
  if (!peer) return false;
  return peer->uid == geteuid() ||
         std::find(options_.users.begin(), options_.users.end(), peer->uid) != options_.users.end();
}

}  // namespace ecf8
