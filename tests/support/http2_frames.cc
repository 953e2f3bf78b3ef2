#include "tests/support/http2_frames.h"

#include <algorithm>

namespace ecf8::testing {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr size_t kFrameHeaderBytes = 9;
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

void Http2Inbox::Take(std::string_view bytes, std::string* answer) {
  unread_.append(bytes);
  std::string_view rest = unread_;
  while (rest.size() >= kFrameHeaderBytes) {
    const size_t size = Be32(rest) >> 8;
    if (rest.size() < kFrameHeaderBytes + size) break;
    TakeFrame(static_cast<FrameType>(rest[3]), static_cast<uint8_t>(rest[4]), Be32(rest.substr(5)),
              rest.substr(kFrameHeaderBytes, size), answer);
    rest.remove_prefix(kFrameHeaderBytes + size);
  }
  unread_ = std::string(rest);
}

void Http2Inbox::TakeFrame(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload,
                           std::string* answer) {
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
      if ((flags & kAck) == 0) *answer += Frame(FrameType::kPing, kAck, 0, payload);
      break;
    case FrameType::kHeaders:  // without an answer before them: an error
    case FrameType::kReset:
      ended_.insert(stream);
      break;
    case FrameType::kGoAway:
      farewell_ = std::string(payload.substr(std::min<size_t>(payload.size(), 8)));
      break;
    case FrameType::kData:
    case FrameType::kContinuation:
      break;
  }
}

size_t Http2Inbox::RoomOf(uint32_t stream) const {
  const auto change = change_.find(stream);
  const int64_t of_stream = first_room_ + (change == change_.end() ? 0 : change->second);
  return static_cast<size_t>(std::max<int64_t>(0, std::min(room_, of_stream)));
}

void Http2Inbox::Sent(uint32_t stream, size_t bytes) {
  room_ -= static_cast<int64_t>(bytes);
  change_[stream] -= static_cast<int64_t>(bytes);
}

}  // namespace ecf8::testing
