// What passes over the slot socket (docs/SESSIONS.md): the client says hello, the daemon answers
// with a ticket and the descriptors of the slots and of their generations, in this order. From then
// on nobody says anything, but where slots are a session's own: their descriptors follow when it is
// opened.
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
  // Not 0: the slots are of no bytes, those that a session gets follow in a SessionSlots.
  uint32_t slots_follow = 0;
  Ticket ticket{};
  uint64_t slot_bytes = 0;
  uint64_t generation_bytes = 0;
};
static_assert(sizeof(SlotReply) == 48);

// With the descriptors of the memory, which CUDA exported as one allocation
// (CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR), and of its generations, in this order.
struct SessionSlots {
  std::array<char, 8> magic = {'e', 'c', 'f', '8', 'o', 'w', 'n', '1'};
  uint64_t slot_bytes = 0;
  uint64_t generation_bytes = 0;
};
static_assert(sizeof(SessionSlots) == 24);

// The slot socket of the daemon whose gRPC socket is at `socket_path`.
inline std::string SlotSocketPath(const std::string& socket_path) { return socket_path + ".slots"; }

}  // namespace ecf8

#endif  // ECF8_RPC_SLOT_HANDSHAKE_H_
