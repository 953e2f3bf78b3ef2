// What passes over the slot socket (docs/SESSIONS.md): the client says hello, the daemon answers
// with a ticket and the descriptors of the slots and of their generations, in this order; from then
// on nobody says anything.
#ifndef ECF8_RPC_SLOT_HANDSHAKE_H_
#define ECF8_RPC_SLOT_HANDSHAKE_H_

#include <array>
#include <cstdint>
#include <string>

#include "loader/session/ticket_table.h"

namespace ecf8 {

// One machine, one byte order.
inline constexpr std::array<char, 8> kSlotHello = {'e', 'c', 'f', '8', 's', 'l', 't', '1'};
inline constexpr size_t kSlotDescriptors = 2;

struct SlotReply {
  std::array<char, 8> magic = kSlotHello;
  uint32_t code = 0;  // an absl::StatusCode; not OK: no descriptors come, and the rest is zero
  uint32_t reserved = 0;
  Ticket ticket{};
  uint64_t slot_bytes = 0;
  uint64_t generation_bytes = 0;
};
static_assert(sizeof(SlotReply) == 48);

// The slot socket of the daemon whose gRPC socket is at `socket_path`.
inline std::string SlotSocketPath(const std::string& socket_path) { return socket_path + ".slots"; }

}  // namespace ecf8

#endif  // ECF8_RPC_SLOT_HANDSHAKE_H_
