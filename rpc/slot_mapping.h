// The client's side of the slot socket: a daemon's slots, mapped to be read.
#ifndef ECF8_RPC_SLOT_MAPPING_H_
#define ECF8_RPC_SLOT_MAPPING_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/memory/slot_generations.h"
#include "loader/session/ticket_table.h"

namespace ecf8 {

// Thread-safe. The daemon ends the session when it is destroyed, or before, by Disconnect.
class SlotMapping {
 public:
  // `path`: SlotSocketPath of the daemon's socket. UNAVAILABLE where nobody listens there or does
  // not answer within `timeout`, PERMISSION_DENIED where the slots are another user's,
  // RESOURCE_EXHAUSTED where the daemon has too many clients, DATA_LOSS for an answer that cannot
  // be trusted: memory that is not sealed could be cut while it is read.
  static absl::StatusOr<std::unique_ptr<SlotMapping>> Connect(const std::string& path,
                                                              std::chrono::milliseconds timeout);
  SlotMapping(const SlotMapping&) = delete;
  SlotMapping& operator=(const SlotMapping&) = delete;
  ~SlotMapping();

  // The slots stay mapped.
  void Disconnect();

  const Ticket& ticket() const { return ticket_; }
  absl::Span<const uint8_t> slots() const { return slots_; }
  absl::Span<const SlotGeneration> generations() const { return generations_; }

 private:
  SlotMapping() = default;

  absl::Status Receive();
  absl::Status Map(int slot_fd, uint64_t slot_bytes, int generation_fd, uint64_t generation_bytes);

  std::atomic<int> connection_ = -1;
  Ticket ticket_{};
  absl::Span<const uint8_t> slots_;
  absl::Span<const uint8_t> counters_;  // as mapped
  absl::Span<const SlotGeneration> generations_;
};

}  // namespace ecf8

#endif  // ECF8_RPC_SLOT_MAPPING_H_
