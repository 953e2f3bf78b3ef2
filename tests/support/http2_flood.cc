#include "tests/support/http2_flood.h"

#include <poll.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/http2_frames.h"

namespace ecf8::testing {
namespace {

constexpr char kMethod[] = "/ecf8.v1.WeightService/ListModels";
constexpr int kCallsOfABurst = 200;
constexpr uint32_t kCallsOfAConnection = 100;  // at once
constexpr size_t kMessageBytes = 1'000'000;    // and one, which never comes
constexpr std::string_view kMessageHead("\0\0\x0F\x42\x41", 5);
constexpr int kPollMs = 10;

std::string ManyHeaders() {
  std::string headers;
  for (int i = 0; i < 100; ++i) headers += Header("x-more", std::string(100, 'm'));
  return headers;
}

std::string BeginCall(uint32_t stream) {
  static const std::string* const call = new std::string(CallHeaders(kMethod));
  return Frame(FrameType::kHeaders, kEndHeaders, stream, *call);
}

// What one peer says.
class Flooder {
 public:
  explicit Flooder(FloodKind kind) : kind_(kind) {}

  bool is_connected() const { return peer_ != nullptr; }

  pollfd Events() const {
    if (peer_ == nullptr) return {-1, 0, 0};
    const bool sends = !peer_->must_receive() && !has_no_room_;
    return {peer_->fd(), static_cast<short>(sends ? POLLIN | POLLOUT : POLLIN), 0};
  }

  void Begin(std::unique_ptr<PeerStream> peer) {
    peer_ = std::move(peer);
    inbox_ = Http2Inbox();
    unsent_ = Greeting();
    stream_ = 1;
    message_bytes_ = 0;
    if (kind_ == FloodKind::kHeaders) {
      unsent_ += Frame(FrameType::kHeaders, 0, stream_, CallHeaders(kMethod));
    }
  }

  // As much as goes. Returns how many bytes that was.
  uint64_t Send() {
    uint64_t sent = 0;
    bool goes_on = Receive();
    while (goes_on) {
      if (unsent_.empty()) unsent_ = Next();
      has_no_room_ = unsent_.empty();
      if (has_no_room_) return sent;
      const std::optional<size_t> count = peer_->Send(unsent_);
      if (!count) break;
      if (*count == 0) return sent;
      sent += *count;
      unsent_.erase(0, *count);
      goes_on = Receive();
    }
    peer_ = nullptr;
    return sent;
  }

 private:
  // All that is there; false where the connection is closed.
  bool Receive() {
    while (true) {
      const std::optional<std::string> bytes = peer_->Receive();
      if (!bytes) return false;
      if (bytes->empty()) return true;
      inbox_.Take(*bytes, &unsent_);
    }
  }

  // Nothing: there is no room for more.
  std::string Next() {
    switch (kind_) {
      case FloodKind::kHeaders: {
        static const std::string* const more = new std::string(ManyHeaders());
        return Frame(FrameType::kContinuation, 0, stream_, *more);
      }
      case FloodKind::kResets: {
        std::string calls;
        for (int i = 0; i < kCallsOfABurst; ++i, stream_ += 2) {
          calls += BeginCall(stream_) +
                   Frame(FrameType::kReset, 0, stream_, std::string_view("\0\0\0\x08", 4));
        }
        return calls;
      }
      case FloodKind::kMessages:
        return MoreOfAMessage();
    }
    return "";
  }

  std::string MoreOfAMessage() {
    if (stream_ >= 2 * kCallsOfAConnection) return "";
    if (message_bytes_ == 0) {
      if (inbox_.RoomOf(stream_) < kMessageHead.size()) return "";
      message_bytes_ = kMessageBytes;
      inbox_.Sent(stream_, kMessageHead.size());
      return BeginCall(stream_) + Frame(FrameType::kData, 0, stream_, kMessageHead);
    }
    const size_t count = std::min({message_bytes_, kMaxFrameBytes, inbox_.RoomOf(stream_)});
    if (count == 0) return "";
    const uint32_t stream = stream_;
    inbox_.Sent(stream, count);
    message_bytes_ -= count;
    if (message_bytes_ == 0) stream_ += 2;
    return Frame(FrameType::kData, 0, stream, std::string(count, 'm'));
  }

  FloodKind kind_;
  std::unique_ptr<PeerStream> peer_;
  Http2Inbox inbox_;
  std::string unsent_;
  uint32_t stream_ = 1;
  size_t message_bytes_ = 0;  // of the call `stream_`, to be sent; 0: it has not begun
  bool has_no_room_ = false;
};

}  // namespace

uint64_t FloodUntil(const std::stop_token& stop, FloodKind kind, size_t connections,
                    const std::function<std::unique_ptr<PeerStream>()>& connect) {
  std::vector<Flooder> flooders;
  for (size_t i = 0; i < connections; ++i) flooders.emplace_back(kind);
  uint64_t sent = 0;
  while (!stop.stop_requested()) {
    std::vector<pollfd> set;
    for (Flooder& flooder : flooders) {
      if (!flooder.is_connected()) {
        std::unique_ptr<PeerStream> peer = connect();
        if (peer != nullptr) flooder.Begin(std::move(peer));
      }
      set.push_back(flooder.Events());
    }
    if (poll(set.data(), set.size(), kPollMs) <= 0) continue;
    for (size_t i = 0; i < set.size() && !stop.stop_requested(); ++i) {
      if (set[i].revents != 0) sent += flooders[i].Send();
    }
  }
  return sent;
}

}  // namespace ecf8::testing
