// Who may have how much of the slots for himself: sessions what they were granted, pins what they
// keep.
//
// What is granted is all that sessions can lease together, so that one can always get what it was
// granted, without waiting for another: whatever else lies in the slots can be given up. A pinned
// unit is paid for by its pin: sessions lease it without a charge. If it is unpinned meanwhile, its
// bytes stay taken until the last of them has given it back.
#ifndef ECF8_LOADER_ENGINE_SLOT_GRANTS_H_
#define ECF8_LOADER_ENGINE_SLOT_GRANTS_H_

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "loader/base/mutex.h"
#include "loader/engine/residency.h"

namespace ecf8 {

// Thread-safe.
class SlotGrants {
 public:
  explicit SlotGrants(uint64_t capacity_bytes) : free_bytes_(capacity_bytes) {}

  // For a session: `most_bytes`, or what is left of them beside `room_bytes`, which stay free,
  // where that is at least `least_bytes`; else 0, and nothing is taken.
  uint64_t Take(uint64_t least_bytes, uint64_t most_bytes, uint64_t room_bytes = 0);
  void Return(uint64_t bytes);

  // Of a unit in slots, by TierKey.
  struct SlotPin {
    uint64_t key = 0;
    uint64_t size_bytes = 0;
  };
  // Pins all, none of which is pinned, or none: then returns how many bytes are missing.
  uint64_t Pin(const std::vector<SlotPin>& pins);
  // It is pinned (asserted).
  void Unpin(uint64_t key);

  // A session leases the unit on its pin's account, until EndUse. False where it is not pinned.
  [[nodiscard]] bool Use(uint64_t key);
  void EndUse(uint64_t key);
  bool IsPinned(uint64_t key) const;

  uint64_t free_bytes() const;
  // What sessions were granted.
  uint64_t granted_bytes() const;
  // Without room_bytes. What is unpinned and still leased counts as the sessions'.
  MemoryHolders holders() const;

 private:
  struct Pinned {
    uint64_t size_bytes = 0;
    bool pinned = true;
    uint32_t uses = 0;
  };

  void DropIfFree(uint64_t key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  uint64_t free_bytes_ ABSL_GUARDED_BY(mutex_);
  uint64_t granted_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unordered_map<uint64_t, Pinned> pins_ ABSL_GUARDED_BY(mutex_);
};

// A session's use of a pinned unit, until it is destroyed. Movable.
class PinUse {
 public:
  PinUse() = default;
  // Nothing where the unit is not pinned. `grants` outlives it.
  PinUse(SlotGrants& grants, uint64_t key)
      : grants_(grants.Use(key) ? &grants : nullptr), key_(key) {}
  PinUse(PinUse&& other) noexcept { *this = std::move(other); }
  PinUse& operator=(PinUse&& other) noexcept {
    if (this == &other) return *this;
    if (grants_ != nullptr) grants_->EndUse(key_);
    grants_ = std::exchange(other.grants_, nullptr);
    key_ = other.key_;
    return *this;
  }
  ~PinUse() {
    if (grants_ != nullptr) grants_->EndUse(key_);
  }

  explicit operator bool() const { return grants_ != nullptr; }

 private:
  SlotGrants* grants_ = nullptr;
  uint64_t key_ = 0;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_SLOT_GRANTS_H_
