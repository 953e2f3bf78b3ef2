// The client's side of the slot socket: a daemon's slots, mapped to be read; or a session's own, in
// a GPU's memory.
#ifndef ECF8_RPC_SLOT_MAPPING_H_
#define ECF8_RPC_SLOT_MAPPING_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/base/descriptor.h"
#include "loader/cuda/cuda_mapping_calls.h"
#include "loader/cuda/mapped_run.h"
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

  // Where slots_follow(): once the session is open, maps what has come for it, on `device`, a
  // number of `cuda`'s, which outlives the mapping. Once, and before anything else looks at the
  // slots. UNAVAILABLE where nothing comes in the time that Connect had; DATA_LOSS as there; CUDA's
  // errors.
  absl::Status TakeSessionSlots(CudaMappingCalls& cuda, int device);

  // The slots stay mapped. The connection is open until the mapping goes, and nothing passes.
  void Disconnect() const;
  int connection() const { return connection_.get(); }

  const Ticket& ticket() const { return ticket_; }
  bool slots_follow() const { return slots_follow_; }
  // One of the two; the other is empty.
  absl::Span<const uint8_t> slots() const { return slots_; }
  absl::Span<const uint8_t> slots_dev() const { return run_dev_.span_dev(); }
  absl::Span<const SlotGeneration> generations() const { return generations_; }

 private:
  SlotMapping() = default;

  absl::Status Receive();
  absl::Status MapGenerations(int fd, uint64_t size_bytes, uint64_t slot_bytes);

  Descriptor connection_;
  Ticket ticket_{};
  bool slots_follow_ = false;
  absl::Span<const uint8_t> slots_;
  MappedRun run_dev_;
  absl::Span<const uint8_t> counters_;  // as mapped
  absl::Span<const SlotGeneration> generations_;
};

}  // namespace ecf8

#endif  // ECF8_RPC_SLOT_MAPPING_H_
