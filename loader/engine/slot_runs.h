// Slots of one owner's own, for a device whose memory cannot be sealed: whoever maps it could write
// to it, and would see what is put there for others.
//
// A run is memory that was made for its owner and is given back when he goes. It is taken from the
// device's slots, whose last pages have none meanwhile:
//
//   slot memory   | slots with memory                 | 2 pages less | 3 pages less |
//                                                            |               |
//   runs, each at addresses of its own                  | 2 pages |     | 3 pages |
//
// Bytes come there by copies on the device, from slots.
#ifndef ECF8_LOADER_ENGINE_SLOT_RUNS_H_
#define ECF8_LOADER_ENGINE_SLOT_RUNS_H_

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/base/descriptor.h"

namespace ecf8 {

struct SlotRun {
  absl::Span<uint8_t> memory_dev{};  // whole pages of slots
  Descriptor fd{};                   // for the owner to map it by, as one; closed soon, or it stays
};

// Thread-safe. All runs are closed before the device goes.
class SlotRuns {
 public:
  virtual ~SlotRuns() = default;

  // The GPU that the runs lie on, as every process knows it.
  virtual const std::array<uint8_t, 16>& gpu_uuid() const = 0;

  // A run of `size_bytes`, whole pages, of memory that slots have behind the first `kept_bytes`,
  // which is at most what runs leave of them: nobody uses what lies there until it has memory
  // again. Blocks, as what follows. RESOURCE_EXHAUSTED where others have taken the device's memory:
  // then the slots have what there is.
  virtual absl::StatusOr<SlotRun> Open(uint64_t size_bytes, uint64_t kept_bytes) = 0;

  // Of an open run, to and from which nothing is being copied. Its memory is given back, and the
  // slots get as much that is new, as far as there is some: an owner who keeps his mapping keeps
  // the memory.
  virtual void Close(absl::Span<uint8_t> memory_dev) = 0;

  // Tries again to give the slots what they lack.
  virtual void Refill() = 0;

  // What the slots lack, at their end, besides what open runs have.
  virtual uint64_t missing_bytes() const = 0;

  // Copies a decoded unit to an open run. Complete when it returns, for every process. Errors as a
  // device job's.
  virtual absl::Status Copy(const uint8_t* from_dev, absl::Span<uint8_t> to_dev) = 0;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_SLOT_RUNS_H_
