#include "rpc/slot_socket.h"

#include <errno.h>
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
  ECF8_ASSIGN_OR_RETURN(WakeEvent waker, WakeEvent::Make());
  waker_ = std::make_shared<const WakeEvent>(std::move(waker));
  listener_ = std::move(passed);
  if (listener_) return absl::OkStatus();
  ECF8_ASSIGN_OR_RETURN(SocketClaim claim, SocketClaim::Take(options_.path));
  claim_.emplace(std::move(claim));
  ECF8_ASSIGN_OR_RETURN(listener_, ListenOnUnix(options_.path, options_.group));
  return absl::OkStatus();
}

SlotSocket::~SlotSocket() {
  if (thread_.joinable()) {
    stopping_ = true;
    waker_->Signal();
    thread_.join();
  }
  for (const Connection& connection : connections_) Close(connection);
}

size_t SlotSocket::connection_count() const {
  MutexLock lock(mutex_);
  return connection_count_;
}

void SlotSocket::FillPollSet(Clock::time_point now) {
  poll_set_.clear();
  poll_set_.push_back({waker_->fd(), POLLIN, 0});
  poll_set_.push_back({now < accept_after_ ? -1 : listener_.get(), POLLIN, 0});
  for (const Connection& connection : connections_) {
    const short events = connection.steps != nullptr ? connection.steps->events() : POLLIN;
    poll_set_.push_back({connection.fd, events, 0});
  }
}

void SlotSocket::Run() {
  while (true) {
    FillPollSet(Clock::now());
    const std::chrono::milliseconds tick = connections_.empty() ? kIdleTick : kTick;
    poll(poll_set_.data(), poll_set_.size(), static_cast<int>(tick.count()));
    if (stopping_) return;
    // Before links are looked at, so that whoever notifies after that wakes again.
    if (poll_set_[0].revents != 0) waker_->Clear();
    const Clock::time_point now = Clock::now();
    ServeAll(now);
    if (poll_set_[1].revents != 0) AcceptAll(now);
    {
      MutexLock lock(mutex_);
      connection_count_ = connections_.size();
    }
    if (now < ticked_ + kTick) continue;
    ticked_ = now;
    if (options_.on_tick) options_.on_tick();
  }
}

void SlotSocket::ServeAll(Clock::time_point now) {
  const bool all = now >= ticked_ + kTick;
  bool closed = false;
  for (size_t i = 0; i < connections_.size(); ++i) {
    Connection& connection = connections_[i];
    const short events = poll_set_[i + 2].revents;
    const bool notified = connection.link != nullptr && connection.link->is_notified();
    if (events == 0 && !notified && !all) continue;
    const bool is_readable = (events & ~POLLOUT) != 0;
    if (Serve(connection, is_readable) && MayStay(connection, now)) continue;
    Close(connection);
    connection.fd = -1;
    closed = true;
  }
  if (!closed) return;
  std::erase_if(connections_, [](const Connection& connection) { return connection.fd < 0; });
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
    Connection& connection = connections_.emplace_back();
    connection.fd = fd;
    connection.since = now;
  }
}

bool SlotSocket::Serve(Connection& connection, bool is_readable) {
  if (connection.link == nullptr) return !is_readable || ReadHello(connection);
  SlotLink& link = *connection.link;
  do {
    link.BeginService();
    // Before its session takes steps nobody says anything more: that it can be read means that it
    // is closed, or wrong.
    const std::shared_ptr<SessionSteps> steps = link.steps();
    if (steps == nullptr) {
      if (is_readable) return false;
    } else if (!connection.steps->Serve(*steps, is_readable)) {
      return false;
    }
    is_readable = false;
  } while (!link.EndService());
  return true;
}

bool SlotSocket::ReadHello(Connection& connection) {
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
  connection.link = std::make_shared<SlotLink>(connection.fd, waker_);
  connection.steps = std::make_unique<StepConnection>(connection.fd, options_.max_step_bytes);
  links_.Add(*ticket, connection.link);
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
  if (connection.ticket) {
    links_.Remove(*connection.ticket);
    connection.link->Close();
  }
  close(connection.fd);
  if (connection.ticket) tickets_.Void(*connection.ticket);
}

}  // namespace ecf8
