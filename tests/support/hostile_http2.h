// A client that speaks HTTP/2 frame by frame, and waits for what it hears.
#ifndef ECF8_TESTS_SUPPORT_HOSTILE_HTTP2_H_
#define ECF8_TESTS_SUPPORT_HOSTILE_HTTP2_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "loader/base/descriptor.h"
#include "tests/support/http2_frames.h"

namespace ecf8::testing {

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
  const std::string& farewell() const { return inbox_.farewell(); }

 private:
  bool WaitFor(short events);
  bool Read();

  Descriptor fd_;
  bool closed_ = false;
  Http2Inbox inbox_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_HOSTILE_HTTP2_H_
