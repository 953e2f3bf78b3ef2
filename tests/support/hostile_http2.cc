#include "tests/support/hostile_http2.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>

#include "tests/support/unix_client.h"

namespace ecf8::testing {
namespace {

constexpr int kPatienceMs = 1000;

}  // namespace

HostileHttp2::HostileHttp2(const std::string& socket_path) : fd_(ConnectToUnixSocket(socket_path)) {
  EXPECT_TRUE(fd_);
  Send(Greeting());
}

bool HostileHttp2::WaitFor(short events) {
  pollfd one = {fd_.get(), events, 0};
  return poll(&one, 1, kPatienceMs) > 0;
}

bool HostileHttp2::Send(std::string_view bytes, bool reads) {
  while (!bytes.empty() && !closed_) {
    if (!WaitFor(static_cast<short>(reads ? POLLIN | POLLOUT : POLLOUT))) return false;
    if (reads && !Read()) return false;
    const ssize_t count = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) bytes.remove_prefix(static_cast<size_t>(count));
    if (count < 0 && errno != EAGAIN) closed_ = true;
  }
  return !closed_;
}

bool HostileHttp2::SendData(uint32_t stream, std::string_view data) {
  while (!data.empty()) {
    while (inbox_.RoomOf(stream) == 0) {
      if (inbox_.HasEnded(stream) || !WaitFor(POLLIN) || !Read()) return false;
    }
    const size_t count = std::min({data.size(), kMaxFrameBytes, inbox_.RoomOf(stream)});
    if (inbox_.HasEnded(stream) ||
        !Send(Frame(FrameType::kData, 0, stream, data.substr(0, count)))) {
      return false;
    }
    inbox_.Sent(stream, count);
    data.remove_prefix(count);
  }
  return true;
}

bool HostileHttp2::IsClosed() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!closed_ && std::chrono::steady_clock::now() < deadline) {
    if (WaitFor(POLLIN)) Read();
  }
  return closed_;
}

// All that is there; false at the end.
bool HostileHttp2::Read() {
  char bytes[65536];
  ssize_t count = 0;
  std::string answer;
  while ((count = recv(fd_.get(), bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
    inbox_.Take({bytes, static_cast<size_t>(count)}, &answer);
  }
  closed_ = closed_ || count == 0 || errno != EAGAIN;
  if (!answer.empty()) send(fd_.get(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return !closed_;
}

}  // namespace ecf8::testing
