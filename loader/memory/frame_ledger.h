// What lies in which frames of an arena, written where it outlives the process.
//
// A record a frame, each with a checksum over what it says and where it stands: one that was being
// written when the process was killed tells nothing, and neither does the unit that it belongs to.
// What the records say of the memory has to be checked all the same: they are hints.
//
//   header, kLedgerHeaderBytes   which arena this is of
//   records, 64 bytes a frame    whose unit's bytes are in it; all zeros: nobody's
//   marks, a byte a frame        1 while the disk may be writing into it
#ifndef ECF8_LOADER_MEMORY_FRAME_LEDGER_H_
#define ECF8_LOADER_MEMORY_FRAME_LEDGER_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/memory/frame_map.h"

namespace ecf8 {

// A stored unit in frames.
struct LedgerUnit {
  uint64_t model_digest = 0;
  uint32_t unit_index = 0;
  uint64_t stored_size_bytes = 0;
  FrameRuns frames{};  // in the order of its bytes; as many as those take

  bool operator==(const LedgerUnit&) const = default;
};

// Thread-compatible. Does not touch the frames.
class FrameLedger {
 public:
  // That a ledger of so many frames takes.
  static uint64_t SizeBytes(uint64_t frame_count);

  // A new ledger in `memory`, which is zeroed, has SizeBytes and outlives it.
  static FrameLedger Make(absl::Span<uint8_t> memory, uint64_t frame_bytes, uint64_t frame_count);

  // The ledger that is in `memory`, which may hold anything: FAILED_PRECONDITION where it is none,
  // of another version, or of another arena.
  static absl::StatusOr<FrameLedger> Open(absl::Span<uint8_t> memory, uint64_t frame_bytes,
                                          uint64_t frame_count);

  // The units that are in it as a whole, in order of their first frame; no two share a frame.
  std::vector<LedgerUnit> Read() const;

  // `unit` is in memory. Its frames belong to no other.
  void Write(const LedgerUnit& unit);
  // The frames are nobody's.
  void Erase(const FrameRuns& frames);

  // The disk may be writing into the frames of `run`, or not any more.
  void Mark(FrameRun run, bool reading);
  bool IsMarked(uint64_t frame) const { return marks_[frame] != 0; }

 private:
  struct Record;

  FrameLedger(absl::Span<uint8_t> memory, uint64_t frame_bytes, uint64_t frame_count);

  Record ReadRecord(uint64_t frame) const;
  void WriteRecord(uint64_t frame, const Record& record);
  bool IsWhole(uint64_t frame, const Record& record) const;

  uint64_t frame_bytes_;
  uint64_t frame_count_;
  absl::Span<uint8_t> records_;
  absl::Span<uint8_t> marks_;
  uint64_t next_set_ = 1;  // tells apart what was written at different times
};

}  // namespace ecf8

#endif  // ECF8_LOADER_MEMORY_FRAME_LEDGER_H_
