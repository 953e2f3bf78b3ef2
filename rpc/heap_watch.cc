#include "rpc/heap_watch.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace ecf8 {
namespace {

// Less is not worth the while.
constexpr uint64_t kMuch = uint64_t{32} << 20;
constexpr std::chrono::milliseconds kAskInterval(200);
// Of each arena, of which there are as many as threads, and at most eight a core. Fetches' messages
// of 1 MiB come and go without touching the system.
constexpr int kMostFreeBytes = 8 << 20;
constexpr int kLargestBlockBytes = 32 << 20;  // from which on each block is the system's

}  // namespace

void KeepLittleFreeHeap() {
  mallopt(M_TRIM_THRESHOLD, kMostFreeBytes);
  mallopt(M_MMAP_THRESHOLD, kLargestBlockBytes);
}

HeapWatch::HeapWatch(uint64_t limit_bytes)
    : limit_bytes_(limit_bytes), statm_(open("/proc/self/statm", O_RDONLY | O_CLOEXEC)) {
  AskMalloc(ResidentBytes());
  unused_bytes_ = resident_bytes_ - std::min(resident_bytes_, in_use_bytes_);
}

uint64_t HeapWatch::ResidentBytes() const {
  std::array<char, 128> text;
  const ssize_t size = pread(statm_.get(), text.data(), text.size(), 0);
  // The process's size, what of it is resident, what of that is files' or shared; in pages.
  std::array<uint64_t, 3> pages = {};
  const char* place = text.data();
  const char* const end = place + std::max<ssize_t>(size, 0);
  for (uint64_t& number : pages) {
    place = std::min(std::from_chars(place, end, number).ptr + 1, end);
  }
  return (pages[1] - std::min(pages[1], pages[2])) * static_cast<uint64_t>(getpagesize());
}

void HeapWatch::AskMalloc(uint64_t resident_bytes) {
  const struct mallinfo2 info = mallinfo2();
  in_use_bytes_ = info.uordblks + info.hblkhd;
  resident_bytes_ = resident_bytes;
}

uint64_t HeapWatch::InUse(Clock::time_point now) {
  const uint64_t resident = ResidentBytes();
  const uint64_t grown = resident - std::min(resident, resident_bytes_);
  const bool has_shrunk = resident + kMuch < resident_bytes_;
  const uint64_t bound = in_use_bytes_ + grown;
  const bool is_old = bound >= limit_bytes_ / 2 && now >= ask_after_;
  if (bound < limit_bytes_ && !has_shrunk && !is_old) return bound;
  ask_after_ = now + kAskInterval;
  AskMalloc(resident);
  return in_use_bytes_;
}

void HeapWatch::GiveBack() {
  if (ResidentBytes() <= unused_bytes_ + kMuch) return;
  AskMalloc(ResidentBytes());
  if (resident_bytes_ > in_use_bytes_ + unused_bytes_ + kMuch) malloc_trim(0);
}

}  // namespace ecf8
