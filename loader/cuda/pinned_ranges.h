// Host memory of others that this process has pinned for its GPUs.
#ifndef ECF8_LOADER_CUDA_PINNED_RANGES_H_
#define ECF8_LOADER_CUDA_PINNED_RANGES_H_

#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "loader/base/mutex.h"
#include "loader/cuda/cuda_calls.h"

namespace ecf8 {

// Thread-safe. When it goes, the memory is no longer pinned; no copy uses it then.
class PinnedRanges {
 public:
  explicit PinnedRanges(CudaCalls& cuda) : cuda_(cuda) {}
  PinnedRanges(const PinnedRanges&) = delete;
  PinnedRanges& operator=(const PinnedRanges&) = delete;
  ~PinnedRanges();

  // Pins the whole pages of `memory`. Blocks. `device` is the calling thread's current one. An
  // error changes nothing: the memory works as before, only slower.
  absl::Status Add(absl::Span<uint8_t> memory, int device);

  // How much of the front of `memory`, which is not empty, one copy can take: pinned bytes of one
  // range, or bytes that are not pinned. At least 1.
  struct Front {
    uint64_t size_bytes = 0;
    bool pinned = false;
  };
  Front FrontOf(absl::Span<const uint8_t> memory) const;

  uint64_t pinned_bytes() const;

 private:
  CudaCalls& cuda_;
  mutable Mutex mutex_;
  std::map<uintptr_t, uint64_t> ranges_ ABSL_GUARDED_BY(mutex_);  // size by address
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CUDA_PINNED_RANGES_H_
