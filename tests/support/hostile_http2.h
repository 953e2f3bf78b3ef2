// A client that speaks HTTP/2 frame by frame, and so can do what gRPC's own client never would.
#ifndef ECF8_TESTS_SUPPORT_HOSTILE_HTTP2_H_
#define ECF8_TESTS_SUPPORT_HOSTILE_HTTP2_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "loader/base/descriptor.h"

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

std::string Frame(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload = {});

// A header, HPACK's literal without indexing; both shorter than 127 bytes.
std::string Header(std::string_view name, std::string_view value);

// Those that a call of `path` ("/ecf8.v1.WeightService/ListModels") begins with.
std::string CallHeaders(std::string_view path);

// What a client says first.
std::string Greeting();

// Thread-compatible.
class HostileHttp2 {
 public:
  // Has said HTTP/2's beginning. Fails the test where nobody takes the connection.
  explicit HostileHttp2(const std::string& socket_path);

  // Sends all of it, and meanwhile reads what comes, unless it is told not to. False where the
  // server closes the connection, or takes nothing for a second.
  bool Send(std::string_view bytes, bool reads = true);

  // Sends it as the stream's data, as far as flow control lets it; false as above, and where the
  // server gives no room for a second, or has ended the stream.
  bool SendData(uint32_t stream, std::string_view data);

  // Waits until the server closes the connection; false after 20 s.
  bool IsClosed();

  // What the server said when it told us to go.
  const std::string& farewell() const { return farewell_; }

 private:
  bool WaitFor(short events);
  bool Read();
  void Take(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload);
  int64_t RoomOf(uint32_t stream);

  Descriptor fd_;
  bool closed_ = false;
  std::string unread_;
  std::string farewell_;
  int64_t room_ = 65535;
  int64_t first_room_ = 65535;          // of each stream
  std::map<uint32_t, int64_t> change_;  // of streams' room, beside that
  std::map<uint32_t, bool> ended_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_HOSTILE_HTTP2_H_
