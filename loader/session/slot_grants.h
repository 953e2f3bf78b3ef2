// How much of the slots each session may have at most.
//
// What is granted is all that sessions can lease together, so that one can always get what it was
// granted, without waiting for another: whatever else lies in the slots can be given up.
#ifndef ECF8_LOADER_SESSION_SLOT_GRANTS_H_
#define ECF8_LOADER_SESSION_SLOT_GRANTS_H_

#include <algorithm>
#include <cstdint>

#include "loader/base/mutex.h"

namespace ecf8 {

// Thread-safe.
class SlotGrants {
 public:
  explicit SlotGrants(uint64_t capacity_bytes) : free_bytes_(capacity_bytes) {}

  // `most_bytes`, or what is left of them where that is at least `least_bytes`; else 0, and nothing
  // is taken.
  uint64_t Take(uint64_t least_bytes, uint64_t most_bytes) {
    MutexLock lock(mutex_);
    if (free_bytes_ < least_bytes) return 0;
    const uint64_t taken_bytes = std::min(free_bytes_, most_bytes);
    free_bytes_ -= taken_bytes;
    return taken_bytes;
  }
  void Return(uint64_t bytes) {
    MutexLock lock(mutex_);
    free_bytes_ += bytes;
  }
  uint64_t free_bytes() const {
    MutexLock lock(mutex_);
    return free_bytes_;
  }

 private:
  mutable Mutex mutex_;
  uint64_t free_bytes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ecf8

#endif  // ECF8_LOADER_SESSION_SLOT_GRANTS_H_
