// Many peers at once that send what a server keeps and nobody has a token for.
#ifndef ECF8_TESTS_SUPPORT_HTTP2_FLOOD_H_
#define ECF8_TESTS_SUPPORT_HTTP2_FLOOD_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "loader/base/descriptor.h"

namespace ecf8::testing {

enum class FloodKind {
  kHeaders,  // of one call, which do not end
  kResets,   // calls, each of them given up at once
};

// Sends until it is stopped, from so many connections, as much as they take; where one is closed,
// by another. `connect` may return none. Returns how many bytes went.
uint64_t FloodUntil(const std::stop_token& stop, FloodKind kind, size_t connections,
                    const std::function<Descriptor()>& connect);

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_HTTP2_FLOOD_H_
