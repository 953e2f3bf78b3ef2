#include "loader/memory/arena.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"
#include "loader/base/thread.h"
#include "loader/memory/memory_calls.h"

namespace ecf8 {
namespace {

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25  // Debian 12's C library does not know it, its kernel does
#endif

// Touched between two looks at whether to stop: a few milliseconds.
constexpr uint64_t kTouchStepBytes = uint64_t{32} << 20;

// Memory of `size_bytes` that starts on a huge page, of the file where there is one; empty where
// there is none, with errno.
absl::Span<uint8_t> MapAligned(uint64_t size_bytes, int fd, MemoryCalls& calls) {
  const uint64_t mapped_bytes = size_bytes + kHugePageBytes;
  void* const mapped = calls.Map(mapped_bytes, 0);
  if (mapped == MAP_FAILED) return {};
  auto* const begin = static_cast<uint8_t*>(mapped);
  const uint64_t past = reinterpret_cast<uintptr_t>(begin) % kHugePageBytes;
  uint8_t* const start = past == 0 ? begin : begin + (kHugePageBytes - past);
  // What stands over on both sides goes back.
  if (start > begin) ::munmap(begin, static_cast<size_t>(start - begin));
  uint8_t* const end = start + size_bytes;
  if (begin + mapped_bytes > end) ::munmap(end, static_cast<size_t>(begin + mapped_bytes - end));
  if (fd >= 0 && calls.MapFile(start, size_bytes, fd) == MAP_FAILED) {
    const int error = errno;
    ::munmap(start, size_bytes);
    errno = error;
    return {};
  }
  return {start, size_bytes};
}

bool IsOfHugePages(int fd) {
  struct statfs system {};
  return ::fstatfs(fd, &system) == 0 && system.f_type == HUGETLBFS_MAGIC;
}

absl::StatusOr<absl::Span<uint8_t>> MapMemory(uint64_t size_bytes, int fd, MemoryCalls& calls,
                                              ArenaInfo& info) {
  if (fd < 0) {
    // All of the pages are reserved here, or none: no SIGBUS later.
    void* const mapped =
        calls.Map(size_bytes, MAP_HUGETLB | (21 << MAP_HUGE_SHIFT));  // of 2^21 bytes
    if (mapped != MAP_FAILED) {
      info.huge_pages = HugePages::kReserved;
      return absl::Span<uint8_t>(static_cast<uint8_t*>(mapped), size_bytes);
    }
  }
  const absl::Span<uint8_t> memory = MapAligned(size_bytes, fd, calls);
  if (memory.empty()) {
    return ErrnoStatus(
        errno, absl::StrCat("cannot map ", FormatBytes(size_bytes), " for the host budget"));
  }
  if (fd >= 0 && IsOfHugePages(fd)) {
    info.huge_pages = HugePages::kReserved;
    return memory;
  }
  if (const int error = calls.Advise(memory, MADV_HUGEPAGE); error == 0) {
    info.huge_pages = HugePages::kTransparent;
  } else {
    info.warnings.push_back(absl::StrCat(
        "no huge pages: ", ErrnoStatus(error, "the kernel refuses transparent ones").message(),
        "; reserve some: sysctl vm.nr_hugepages=", size_bytes / kHugePageBytes));
  }
  return memory;
}

void Place(absl::Span<uint8_t> memory, std::optional<int> node, MemoryCalls& calls,
           ArenaInfo& info) {
  if (!node.has_value()) node = calls.CurrentNode();
  if (!node.has_value()) return;
  if (const int error = calls.PreferNode(memory, *node); error == 0) {
    info.numa_node = node;
  } else {
    info.warnings.push_back(
        std::string(ErrnoStatus(error, absl::StrCat("memory cannot be placed on NUMA node ", *node))
                        .message()));
  }
}

void LockInMemory(absl::Span<uint8_t> memory, MemoryCalls& calls, ArenaInfo& info) {
  const int error = calls.Lock(memory);
  info.locked = error == 0;
  if (info.locked) return;
  info.warnings.push_back(absl::StrCat(
      "the host budget is not locked in memory and may be swapped: RLIMIT_MEMLOCK is ",
      calls.LockLimitBytes(), " bytes, ", memory.size(), " are needed (ulimit -l ",
      memory.size() / 1024, ", or LimitMEMLOCK=", memory.size(), " in the systemd unit)"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Arena>> Arena::Create(const ArenaOptions& options) {
  const uint64_t size_bytes = options.budget_bytes / kHugePageBytes * kHugePageBytes;
  if (size_bytes == 0) {
    return absl::InvalidArgumentError(absl::StrCat("a host budget of ", options.budget_bytes,
                                                   " bytes; the least is ", kHugePageBytes));
  }
  MemoryCalls& calls = options.calls != nullptr ? *options.calls : MemoryCalls::System();
  ArenaInfo info;
  absl::StatusOr<absl::Span<uint8_t>> memory = MapMemory(size_bytes, options.fd, calls, info);
  if (!memory.ok()) return std::move(memory).status();
  calls.Advise(*memory, MADV_DONTDUMP);  // a core dump without the weights; else a larger one
  Place(*memory, options.numa_node, calls, info);
  if (options.lock) LockInMemory(*memory, calls, info);
  return std::unique_ptr<Arena>(new Arena(*memory, options.fd >= 0, std::move(info), calls));
}

Arena::Arena(absl::Span<uint8_t> memory, bool is_file, ArenaInfo info, MemoryCalls& calls)
    : memory_(memory),
      is_file_(is_file),
      info_(std::move(info)),
      calls_(calls),
      frames_(memory, kFrameBytes) {}

Arena::~Arena() {
  StopTouching();
  ::munmap(memory_.data(), memory_.size());
}

absl::Status Arena::StartTouching(int threads,
                                  std::function<void(absl::Span<uint8_t>)> on_touched) {
  assert(touch_threads_.empty());
  on_touched_ = std::move(on_touched);
  for (int i = 0; i < threads; ++i) {
    absl::StatusOr<std::thread> thread =
        StartThread("cannot start a thread to touch memory", [this] { TouchPieces(); });
    if (!thread.ok() && touch_threads_.empty()) return thread.status();
    if (!thread.ok()) break;  // those that there are will do
    touch_threads_.push_back(*std::move(thread));
  }
  return absl::OkStatus();
}

void Arena::StopTouching() {
  {
    MutexLock lock(touch_mutex_);
    touching_ = false;
    touch_ended_.NotifyAll();
  }
  for (std::thread& thread : touch_threads_) thread.join();
  touch_threads_.clear();
}

bool Arena::WaitUntilTouched() {
  MutexLock lock(touch_mutex_);
  while (touching_ && touched_bytes_ < memory_.size()) touch_ended_.Wait(lock);
  return touched_bytes_ == memory_.size();
}

void Arena::TouchPieces() {
  while (true) {
    absl::Span<uint8_t> piece;
    {
      MutexLock lock(touch_mutex_);
      if (!touching_ || next_piece_ == memory_.size()) return;
      piece = memory_.subspan(next_piece_, kArenaPieceBytes);
      next_piece_ += piece.size();
    }
    if (!TouchPiece(piece)) return;
    if (on_touched_) on_touched_(piece);
  }
}

bool Arena::TouchPiece(absl::Span<uint8_t> piece) {
  while (!piece.empty()) {
    const absl::Span<uint8_t> step = piece.subspan(0, kTouchStepBytes);
    {
      MutexLock lock(touch_mutex_);
      if (!touching_) return false;
    }
    // Linux 5.14. It leaves what the pages hold, so they may be in use.
    const bool touched = calls_.Advise(step, MADV_POPULATE_WRITE) == 0;
    // Most systems give a file's memory no huge pages of themselves, but make some of what is there
    // (Linux 6.1). Where they do not, it stays as it is.
    if (touched && is_file_ && info_.huge_pages == HugePages::kTransparent) {
      calls_.Advise(step, MADV_COLLAPSE);
    }
    piece.remove_prefix(step.size());
    MutexLock lock(touch_mutex_);
    if (touched) {
      touched_bytes_ += step.size();
    } else {
      touching_ = false;  // the kernel will bring pages as they are used
    }
    touch_ended_.NotifyAll();
  }
  return true;
}

std::optional<Extents> Arena::Allocate(uint64_t size_bytes) {
  MutexLock lock(mutex_);
  return frames_.Allocate(size_bytes);
}

std::optional<Extents> Arena::Take(const FrameRuns& runs) {
  MutexLock lock(mutex_);
  return frames_.Take(runs);
}

FrameRuns Arena::RunsOf(const Extents& extents) const {
  MutexLock lock(mutex_);
  return frames_.RunsOf(extents);
}

void Arena::Free(const Extents& extents) {
  MutexLock lock(mutex_);
  frames_.Free(extents);
}

uint64_t Arena::free_bytes() const {
  MutexLock lock(mutex_);
  return frames_.free_bytes();
}

uint64_t Arena::largest_run_bytes() const {
  MutexLock lock(mutex_);
  return frames_.largest_run_bytes();
}

uint64_t Arena::touched_bytes() const {
  MutexLock lock(touch_mutex_);
  return touched_bytes_;
}

}  // namespace ecf8
