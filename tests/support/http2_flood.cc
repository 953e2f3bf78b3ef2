#include "tests/support/http2_flood.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/hostile_http2.h"

namespace ecf8::testing {
namespace {

constexpr char kMethod[] = "/ecf8.v1.WeightService/ListModels";
constexpr int kCallsOfABurst = 200;
constexpr int kPollMs = 10;

std::string ManyHeaders() {
  std::string headers;
  for (int i = 0; i < 100; ++i) headers += Header("x-more", std::string(100, 'm'));
  return headers;
}

// What one peer says.
class Flooder {
 public:
  explicit Flooder(FloodKind kind) : kind_(kind) {}

  int fd() const { return fd_.get(); }

  void Begin(Descriptor fd) {
    fd_ = std::move(fd);
    unsent_ = Greeting();
    stream_ = 1;
    if (kind_ == FloodKind::kHeaders) {
      unsent_ += Frame(FrameType::kHeaders, 0, stream_, CallHeaders(kMethod));
    }
  }

  // As much as goes; what comes is not looked at.
  uint64_t Send() {
    std::array<char, 65536> answer;
    while (recv(fd_.get(), answer.data(), answer.size(), MSG_DONTWAIT) > 0) {
    }
    uint64_t sent = 0;
    while (true) {
      if (unsent_.empty()) unsent_ = Next();
      const ssize_t count =
          send(fd_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0 && errno != EAGAIN) fd_ = Descriptor();
      if (count <= 0) return sent;
      sent += static_cast<uint64_t>(count);
      unsent_.erase(0, static_cast<size_t>(count));
    }
  }

 private:
  std::string Next() {
    static const std::string* const more = new std::string(ManyHeaders());
    if (kind_ == FloodKind::kHeaders) return Frame(FrameType::kContinuation, 0, stream_, *more);
    static const std::string* const call = new std::string(CallHeaders(kMethod));
    std::string calls;
    for (int i = 0; i < kCallsOfABurst; ++i, stream_ += 2) {
      calls += Frame(FrameType::kHeaders, kEndHeaders, stream_, *call) +
               Frame(FrameType::kReset, 0, stream_, std::string_view("\0\0\0\x08", 4));
    }
    return calls;
  }

  FloodKind kind_;
  Descriptor fd_;
  std::string unsent_;
  uint32_t stream_ = 1;
};

}  // namespace

uint64_t FloodUntil(const std::stop_token& stop, FloodKind kind, size_t connections,
                    const std::function<Descriptor()>& connect) {
  std::vector<Flooder> flooders;
  for (size_t i = 0; i < connections; ++i) flooders.emplace_back(kind);
  uint64_t sent = 0;
  while (!stop.stop_requested()) {
    std::vector<pollfd> set;
    for (Flooder& flooder : flooders) {
      if (flooder.fd() < 0) {
        Descriptor fd = connect();
        if (fd) flooder.Begin(std::move(fd));
      }
      set.push_back({flooder.fd(), POLLOUT, 0});
    }
    if (poll(set.data(), set.size(), kPollMs) <= 0) continue;
    for (size_t i = 0; i < set.size() && !stop.stop_requested(); ++i) {
      if (set[i].revents != 0) sent += flooders[i].Send();
    }
  }
  return sent;
}

}  // namespace ecf8::testing
