#include "tests/support/hostile_http2.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "tests/support/unix_client.h"

namespace ecf8::testing {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr size_t kFrameHeaderBytes = 9;
constexpr size_t kMaxFrameBytes = 16384;
constexpr int kPatienceMs = 1000;
constexpr uint16_t kInitialWindow = 4;  // a setting

uint32_t Be32(std::string_view bytes) {
  uint32_t value = 0;
  for (const char byte : bytes.substr(0, 4)) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

std::string ToBe32(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xFF);
  return bytes;
}

}  // namespace

std::string Frame(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string frame = ToBe32(static_cast<uint32_t>(payload.size())).substr(1);
  frame += static_cast<char>(type);
  frame += static_cast<char>(flags);
  frame += ToBe32(stream);
  return frame.append(payload);
}

std::string Header(std::string_view name, std::string_view value) {
  std::string header(1, '\0');
  for (const std::string_view text : {name, value}) {
    header += static_cast<char>(text.size());
    header += text;
  }
  return header;
}

std::string CallHeaders(std::string_view path) {
  return Header(":method", "POST") + Header(":scheme", "http") + Header(":path", path) +
         Header(":authority", "localhost") + Header("te", "trailers") +
         Header("content-type", "application/grpc");
}

std::string Greeting() {
  return std::string(kPreface) + Frame(FrameType::kSettings, 0, 0) +
         Frame(FrameType::kSettings, kAck, 0);
}

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

int64_t HostileHttp2::RoomOf(uint32_t stream) {
  return std::min(room_, first_room_ + change_[stream]);
}

bool HostileHttp2::SendData(uint32_t stream, std::string_view data) {
  while (!data.empty()) {
    while (RoomOf(stream) <= 0) {
      if (ended_[stream] || !WaitFor(POLLIN) || !Read()) return false;
    }
    const size_t count =
        std::min({data.size(), kMaxFrameBytes, static_cast<size_t>(RoomOf(stream))});
    if (ended_[stream] || !Send(Frame(FrameType::kData, 0, stream, data.substr(0, count)))) {
      return false;
    }
    room_ -= static_cast<int64_t>(count);
    change_[stream] -= static_cast<int64_t>(count);
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
  while ((count = recv(fd_.get(), bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
    unread_.append(bytes, static_cast<size_t>(count));
  }
  closed_ = closed_ || count == 0 || errno != EAGAIN;
  std::string_view rest = unread_;
  while (rest.size() >= kFrameHeaderBytes) {
    const size_t size = Be32(rest) >> 8;
    if (rest.size() < kFrameHeaderBytes + size) break;
    Take(static_cast<FrameType>(rest[3]), static_cast<uint8_t>(rest[4]), Be32(rest.substr(5)),
         rest.substr(kFrameHeaderBytes, size));
    rest.remove_prefix(kFrameHeaderBytes + size);
  }
  unread_ = std::string(rest);
  return !closed_;
}

void HostileHttp2::Take(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload) {
  switch (type) {
    case FrameType::kWindowUpdate:
      (stream == 0 ? room_ : change_[stream]) += Be32(payload);
      break;
    case FrameType::kSettings:
      for (; (flags & kAck) == 0 && payload.size() >= 6; payload.remove_prefix(6)) {
        if (Be32(payload) >> 16 == kInitialWindow) first_room_ = Be32(payload.substr(2));
      }
      break;
    case FrameType::kPing:
      if ((flags & kAck) == 0) {
        const std::string answer = Frame(FrameType::kPing, kAck, 0, payload);
        send(fd_.get(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      }
      break;
    case FrameType::kHeaders:  // without an answer before them: an error
    case FrameType::kReset:
      ended_[stream] = true;
      break;
    case FrameType::kGoAway:
      farewell_ = std::string(payload.substr(std::min<size_t>(payload.size(), 8)));
      break;
    case FrameType::kData:
    case FrameType::kContinuation:
      break;
  }
}

}  // namespace ecf8::testing
