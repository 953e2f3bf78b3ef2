#include "loader/cuda/pinned_ranges.h"

#include <algorithm>

#include "decoder/status_macros.h"
#include "loader/cuda/cuda_status.h"

namespace ecf8 {
namespace {

constexpr uintptr_t kPageBytes = 4096;

}  // namespace

PinnedRanges::~PinnedRanges() {
  MutexLock lock(mutex_);
  for (const auto& [address, size] : ranges_) {
    (void)cuda_.HostUnregister(reinterpret_cast<uint8_t*>(address));
  }
}

absl::Status PinnedRanges::Add(absl::Span<uint8_t> memory, int device) {
  const auto address = reinterpret_cast<uintptr_t>(memory.data());
  const uintptr_t begin = (address + kPageBytes - 1) / kPageBytes * kPageBytes;
  const uintptr_t end = (address + memory.size()) / kPageBytes * kPageBytes;
  if (begin >= end) return absl::OkStatus();
  ECF8_RETURN_IF_ERROR(
      CudaStatus(cuda_, cuda_.HostRegister(reinterpret_cast<uint8_t*>(begin), end - begin),
                 "cudaHostRegister", device));
  MutexLock lock(mutex_);
  ranges_.emplace(begin, end - begin);
  return absl::OkStatus();
}

PinnedRanges::Front PinnedRanges::FrontOf(absl::Span<const uint8_t> memory) const {
  const auto address = reinterpret_cast<uintptr_t>(memory.data());
  MutexLock lock(mutex_);
  const auto above = ranges_.upper_bound(address);
  if (above != ranges_.begin()) {
    const auto& [begin, size] = *std::prev(above);
    if (address < begin + size) {
      return {std::min<uint64_t>(memory.size(), begin + size - address), true};
    }
  }
  if (above == ranges_.end()) return {memory.size(), false};
  return {std::min<uint64_t>(memory.size(), above->first - address), false};
}

uint64_t PinnedRanges::pinned_bytes() const {
  MutexLock lock(mutex_);
  uint64_t bytes = 0;
  for (const auto& [address, size] : ranges_) bytes += size;
  return bytes;
}

}  // namespace ecf8
