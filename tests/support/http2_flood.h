// Many peers at once that send what a server keeps and nobody has a token for.
#ifndef ECF8_TESTS_SUPPORT_HTTP2_FLOOD_H_
#define ECF8_TESTS_SUPPORT_HTTP2_FLOOD_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>

#include "tests/support/peer_stream.h"

namespace ecf8::testing {

enum class FloodKind {
  kHeaders,   // of one call, which do not end
  kResets,    // calls, each of them given up at once
  kMessages,  // of as many calls as a connection has, all but their last byte
};

// Sends until it is stopped, from so many connections, as much as they take; where one is closed,
// by another. `connect` may return none. Returns how many bytes went.
uint64_t FloodUntil(const std::stop_token& stop, FloodKind kind, size_t connections,
                    const std::function<std::unique_ptr<PeerStream>()>& connect);

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_HTTP2_FLOOD_H_
