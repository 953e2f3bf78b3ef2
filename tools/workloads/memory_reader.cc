#include "tools/workloads/memory_reader.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>

namespace ecf8 {
namespace {

// Less is not worth another thread.
constexpr size_t kLeastBytes = size_t{256} << 10;

// Side by side, so that the compiler may use vectors.
uint64_t Sum(absl::Span<const uint8_t> bytes) {
  std::array<uint64_t, 8> sums{};
  std::array<uint64_t, 8> words{};
  while (bytes.size() >= sizeof(words)) {
    std::memcpy(words.data(), bytes.data(), sizeof(words));
    for (size_t i = 0; i < words.size(); ++i) sums[i] += words[i];
    bytes.remove_prefix(sizeof(words));
  }
  uint64_t sum = 0;
  for (const uint64_t part : sums) sum += part;
  for (const uint8_t byte : bytes) sum += byte;
  return sum;
}

size_t ThreadCount(int threads) {
  return threads > 0 ? static_cast<size_t>(threads)
                     : std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

MemoryReader::MemoryReader(int threads)
    : threads_(ThreadCount(threads)),
      pool_(static_cast<int>(std::max<size_t>(threads_ - 1, 1)), threads_) {}

uint64_t MemoryReader::Read(absl::Span<const uint8_t> bytes) {
  const size_t count = std::clamp<size_t>(bytes.size() / kLeastBytes, 1, threads_);
  const size_t part_bytes = bytes.size() / count;
  {
    MutexLock lock(mutex_);
    missing_ = count;
    sum_ = 0;
  }
  for (size_t i = 1; i < count; ++i) {
    const absl::Span<const uint8_t> part = bytes.subspan(i * part_bytes, part_bytes);
    if (!pool_.TrySubmit([this, part] { Finish(part); })) Finish(part);
  }
  const absl::Span<const uint8_t> rest = bytes.subspan(count * part_bytes);
  const uint64_t rest_sum = Sum(rest);
  Finish(bytes.first(part_bytes));
  MutexLock lock(mutex_);
  while (missing_ > 0) done_.Wait(lock);
  return sum_ + rest_sum;
}

void MemoryReader::Finish(absl::Span<const uint8_t> part) {
  const uint64_t sum = Sum(part);
  MutexLock lock(mutex_);
  sum_ += sum;
  if (--missing_ == 0) done_.NotifyOne();
}

}  // namespace ecf8
