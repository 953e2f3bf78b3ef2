// HTTP/2 frame by frame: what a client says that can do what gRPC's own never would, and what it
// hears.
#ifndef ECF8_TESTS_SUPPORT_HTTP2_FRAMES_H_
#define ECF8_TESTS_SUPPORT_HTTP2_FRAMES_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace ecf8::testing {

enum class FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kReset = 3,
  kSettings = 4,
  kPing = 6,
  kGoAway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};

inline constexpr uint8_t kAck = 1;         // of settings and pings
inline constexpr uint8_t kEndHeaders = 4;  // of headers and continuations
inline constexpr size_t kMaxFrameBytes = 16384;

std::string Frame(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload = {});

// A header, HPACK's literal without indexing; both shorter than 127 bytes.
std::string Header(std::string_view name, std::string_view value);

// Those that a call of `path` ("/ecf8.v1.WeightService/ListModels") begins with.
std::string CallHeaders(std::string_view path);

// What a client says first.
std::string Greeting();

// What the server says to one connection, and what it lets that send. Thread-compatible.
class Http2Inbox {
 public:
  // Takes what has come, in pieces of any size; what is to be said to it is appended to `answer`.
  void Take(std::string_view bytes, std::string* answer);

  // How many bytes of data flow control lets `stream` send.
  size_t RoomOf(uint32_t stream) const;
  // That many were sent.
  void Sent(uint32_t stream, size_t bytes);
  // Whether the server has done with `stream`.
  bool HasEnded(uint32_t stream) const { return ended_.contains(stream); }
  // What the server said when it told us to go.
  const std::string& farewell() const { return farewell_; }

 private:
  void TakeFrame(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload,
                 std::string* answer);

  std::string unread_;
  std::string farewell_;
  int64_t room_ = 65535;
  int64_t first_room_ = 65535;          // of each stream
  std::map<uint32_t, int64_t> change_;  // of streams' room, beside that
  std::set<uint32_t> ended_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_HTTP2_FRAMES_H_
