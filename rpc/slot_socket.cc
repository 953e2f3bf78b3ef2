#include "rpc/slot_socket.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/thread.h"
#include "rpc/listening_sockets.h"
#include "rpc/unix_socket.h"
#include "spdlog/spdlog.h"

namespace ecf8 {
namespace {

// Of those who wait, before the connections' turn.
constexpr int kBatch = 64;
constexpr std::chrono::milliseconds kTick(200);
constexpr std::chrono::milliseconds kIdleTick(1000);

bool Refuse(int fd, absl::StatusCode code) {
  SlotReply reply;
  reply.code = static_cast<uint32_t>(code);
  SendWithDescriptors(fd, &reply, sizeof(reply), {-1, -1});
  return false;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SlotSocket>> SlotSocket::Start(SlotSocketOptions options,
                                                              TicketTable& tickets,
                                                              SlotLinks& links, Descriptor passed) {
  std::unique_ptr<SlotSocket> slot_socket(new SlotSocket(std::move(options), tickets, links));
  ECF8_RETURN_IF_ERROR(slot_socket->Listen(std::move(passed)));
  SlotSocket* const self = slot_socket.get();
  ECF8_ASSIGN_OR_RETURN(self->thread_,
                        StartThread("no thread for the slot socket", [self] { self->Run(); }));
  return slot_socket;
}

absl::Status SlotSocket::Listen(Descriptor passed) {
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_ < 0) return ErrnoStatus(errno, "cannot make an eventfd");
  listener_ = std::move(passed);
  if (listener_) return absl::OkStatus();
  ECF8_ASSIGN_OR_RETURN(SocketClaim claim, SocketClaim::Take(options_.path));
  claim_.emplace(std::move(claim));
  ECF8_ASSIGN_OR_RETURN(listener_, ListenOnUnix(options_.path, options_.group));
  return absl::OkStatus();
}

SlotSocket::~SlotSocket() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    // A counter takes a one from zero.
    [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof(one));
    thread_.join();
  }
  for (const Connection& connection : connections_) Close(connection);
  if (wake_ >= 0) close(wake_);
}

size_t SlotSocket::connection_count() const {
  MutexLock lock(mutex_);
  return connection_count_;
}

std::vector<pollfd> SlotSocket::PollSet(Clock::time_point now) const {
  std::vector<pollfd> set = {{wake_, POLLIN, 0},
                             {now < accept_after_ ? -1 : listener_.get(), POLLIN, 0}};
  for (const Connection& connection : connections_) set.push_back({connection.fd, POLLIN, 0});
  return set;
}

void SlotSocket::Run() {
  Clock::time_point ticked;
  while (true) {
    Clock::time_point now = Clock::now();
    std::vector<pollfd> set = PollSet(now);
    const std::chrono::milliseconds tick = connections_.empty() ? kIdleTick : kTick;
    poll(set.data(), set.size(), static_cast<int>(tick.count()));
    if (set[0].revents != 0) return;
    now = Clock::now();
    for (size_t i = 0; i < connections_.size(); ++i) {
      Connection& connection = connections_[i];
      const bool stays = (set[i + 2].revents == 0 || Serve(connection)) && MayStay(connection, now);
      if (stays) continue;
      Close(connection);
      connection.fd = -1;
    }
    std::erase_if(connections_, [](const Connection& connection) { return connection.fd < 0; });
    if (set[1].revents != 0) AcceptAll(now);
    {
      MutexLock lock(mutex_);
      connection_count_ = connections_.size();
    }
    if (options_.on_tick && now >= ticked + kTick) {
      ticked = now;
      options_.on_tick();
    }
  }
}

void SlotSocket::AcceptAll(Clock::time_point now) {
  // Who connects in a loop does not keep the others.
  for (int i = 0; i < kBatch; ++i) {
    const int fd = accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        spdlog::warn("the slot socket: {}", strerror(errno));
        accept_after_ = now + kTick;
      }
      return;
    }
    if (connections_.size() >= options_.max_connections) {
      Refuse(fd, absl::StatusCode::kResourceExhausted);
      close(fd);
      continue;
    }
    connections_.push_back({.fd = fd, .since = now, .ticket = {}});
  }
}

bool SlotSocket::Serve(Connection& connection) {
  // With a ticket nobody says anything more: that it can be read means that it is closed, or wrong.
  if (connection.ticket) return false;
  const ssize_t count = recv(connection.fd, connection.hello.data() + connection.hello_bytes,
                             connection.hello.size() - connection.hello_bytes, MSG_DONTWAIT);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  if (count == 0) return false;
  connection.hello_bytes += static_cast<size_t>(count);
  return connection.hello_bytes < connection.hello.size() || Answer(connection);
}

bool SlotSocket::Answer(Connection& connection) {
  if (connection.hello != kSlotHello) {
    return Refuse(connection.fd, absl::StatusCode::kUnimplemented);
  }
  const std::optional<ucred> peer = PeerCredentials(connection.fd);
  if (!peer) return false;
  const absl::StatusOr<Ticket> ticket = tickets_.Issue(peer->uid);
  if (!ticket.ok()) {
    spdlog::info("no slots for process {}: {}", peer->pid, std::string(ticket.status().message()));
    return Refuse(connection.fd, ticket.status().code());
  }
  connection.ticket = *ticket;
  links_.Add(*ticket, connection.fd);
  SlotReply reply;
  reply.ticket = *ticket;
  reply.slot_bytes = options_.slots.slot_bytes;
  reply.generation_bytes = options_.slots.generation_bytes;
  reply.slots_follow = options_.slots_follow ? 1 : 0;
  return SendWithDescriptors(connection.fd, &reply, sizeof(reply),
                             {options_.slots.slot_fd, options_.slots.generation_fd});
}

bool SlotSocket::MayStay(const Connection& connection, Clock::time_point now) const {
  const bool patient = now < connection.since + options_.patience;
  if (!connection.ticket) return patient;
  return tickets_.Knows(*connection.ticket) && (patient || tickets_.IsRedeemed(*connection.ticket));
}

void SlotSocket::Close(const Connection& connection) {
  if (connection.ticket) links_.Remove(*connection.ticket);
  close(connection.fd);
  if (connection.ticket) tickets_.Void(*connection.ticket);
}

}  // namespace ecf8
