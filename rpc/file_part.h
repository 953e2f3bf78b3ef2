// What of a file one ReadFile brings.
#ifndef ECF8_RPC_FILE_PART_H_
#define ECF8_RPC_FILE_PART_H_

#include <cstdint>

namespace ecf8 {

// At most; more would hold a place among the streams for long.
inline constexpr uint64_t kMaxFilePartBytes = 64 << 20;

}  // namespace ecf8

#endif  // ECF8_RPC_FILE_PART_H_
