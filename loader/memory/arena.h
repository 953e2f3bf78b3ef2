// The host memory that compressed units live in: one mapping of a fixed size, given out in frames.
//
// A frame is 1 MiB. DESIGN.md's 4 MiB would waste half of that on average for every unit, and
// experts and heads of small models are not much larger; a read still takes up to 4 MiB at once,
// because frames of a run are adjacent.
//
// The mapping is usable at once. Threads touch it in the background, so that neither start-up nor a
// read waits for the kernel to clear pages:
//
//   ECF8_ASSIGN_OR_RETURN(auto arena, Arena::Create({.budget_bytes = budget}));
//   ECF8_ASSIGN_OR_RETURN(auto reader, OpenBlockReader(...));
//   arena->StartTouching(2, [&](absl::Span<uint8_t> piece) { reader->RegisterMemory(piece); });
//   ...
//   arena->StopTouching();   // then the reader may go, then the arena
#ifndef ECF8_LOADER_MEMORY_ARENA_H_
#define ECF8_LOADER_MEMORY_ARENA_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/base/mutex.h"
#include "loader/memory/frame_space.h"

namespace ecf8 {

class MemoryCalls;  // loader/memory/memory_calls.h

inline constexpr uint64_t kFrameBytes = uint64_t{1} << 20;
inline constexpr uint64_t kHugePageBytes = uint64_t{2} << 20;
// Touched, and told, as one: io_uring's limit for one fixed buffer.
inline constexpr uint64_t kArenaPieceBytes = uint64_t{1} << 30;

struct ArenaOptions {
  uint64_t budget_bytes = 0;  // a hard limit; rounded down to kHugePageBytes
  bool lock = true;           // mlock, as far as RLIMIT_MEMLOCK lets it
  // A file of just the budget's size, rounded down, that is the memory; -1: memory of this process
  // alone. It is mapped, and need not stay open.
  int fd = -1;
  // The node whose memory is taken first. By default that of the calling thread, where the machine
  // has several.
  std::optional<int> numa_node = std::nullopt;
  MemoryCalls* calls =
      nullptr;  // for tests: what to call instead of the system; outlives the arena
};

enum class HugePages : uint8_t {
  kReserved,     // MAP_HUGETLB: all of it
  kTransparent,  // asked for by madvise; the kernel gives what it has
  kNone,
};

// What the machine gave; does not change.
struct ArenaInfo {
  HugePages huge_pages = HugePages::kNone;
  std::optional<int> numa_node;  // where there are several
  bool locked = false;
  // For the log: what the machine refused, and what to set so that it gives it. One sentence each.
  std::vector<std::string> warnings;
};

// Thread-safe, but for StartTouching and StopTouching, which one thread calls.
class Arena {
 public:
  // INVALID_ARGUMENT below kHugePageBytes; RESOURCE_EXHAUSTED where there is no such memory.
  static absl::StatusOr<std::unique_ptr<Arena>> Create(const ArenaOptions& options);

  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Stops touching. Nothing may use the memory any more.
  ~Arena();

  // Touches all memory on `threads` threads, once. What the memory holds stays as it is, so it may
  // be in use. `on_touched` (may be null) gets each piece of at most kArenaPieceBytes when it is
  // touched, on such a thread, several at once: there it is registered with disk and device. What
  // `on_touched` calls must live until StopTouching has returned. RESOURCE_EXHAUSTED where there is
  // no thread to have.
  absl::Status StartTouching(int threads, std::function<void(absl::Span<uint8_t>)> on_touched);

  // Ends touching early and joins the threads.
  void StopTouching();

  // Waits until all is touched, or touching has stopped: false then.
  bool WaitUntilTouched();

  // As FrameSpace, in frames of kFrameBytes.
  std::optional<Extents> Allocate(uint64_t size_bytes);
  std::optional<Extents> Take(const FrameRuns& runs);
  FrameRuns RunsOf(const Extents& extents) const;
  void Free(const Extents& extents);

  uint64_t capacity_bytes() const { return memory_.size(); }
  uint64_t free_bytes() const;
  uint64_t largest_run_bytes() const;
  uint64_t touched_bytes() const;
  const ArenaInfo& info() const { return info_; }
  // All of it.
  absl::Span<uint8_t> memory() const { return memory_; }

 private:
  Arena(absl::Span<uint8_t> memory, bool is_file, ArenaInfo info, MemoryCalls& calls);

  void TouchPieces();
  bool TouchPiece(absl::Span<uint8_t> piece);  // false where touching ended before its end

  const absl::Span<uint8_t> memory_;
  const bool is_file_;
  const ArenaInfo info_;
  MemoryCalls& calls_;

  mutable Mutex mutex_;
  FrameSpace frames_ ABSL_GUARDED_BY(mutex_);

  std::function<void(absl::Span<uint8_t>)> on_touched_;  // constant while the threads run
  std::vector<std::thread> touch_threads_;
  mutable Mutex touch_mutex_;
  CondVar touch_ended_;
  uint64_t next_piece_ ABSL_GUARDED_BY(touch_mutex_) = 0;  // its offset in memory_
  uint64_t touched_bytes_ ABSL_GUARDED_BY(touch_mutex_) = 0;
  bool touching_ ABSL_GUARDED_BY(touch_mutex_) = true;  // until it is stopped or has failed
};

}  // namespace ecf8

#endif  // ECF8_LOADER_MEMORY_ARENA_H_
