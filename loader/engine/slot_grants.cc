#include "loader/engine/slot_grants.h"

#include <algorithm>
#include <cassert>

#include "loader/cache/cache_policy.h"
#include "loader/engine/tier.h"

namespace ecf8 {

uint64_t SlotGrants::Take(uint64_t least_bytes, uint64_t most_bytes, uint64_t room_bytes) {
  MutexLock lock(mutex_);
  const uint64_t left_bytes = free_bytes_ - std::min(free_bytes_, room_bytes);
  if (left_bytes < least_bytes) return 0;
  const uint64_t taken_bytes = std::min(left_bytes, most_bytes);
  free_bytes_ -= taken_bytes;
  granted_bytes_ += taken_bytes;
  return taken_bytes;
}

void SlotGrants::Return(uint64_t bytes) {
  MutexLock lock(mutex_);
  assert(bytes <= granted_bytes_);
  free_bytes_ += bytes;
  granted_bytes_ -= bytes;
}

uint64_t SlotGrants::Pin(const std::vector<SlotPin>& pins) {
  MutexLock lock(mutex_);
  uint64_t new_bytes = 0;
  for (const SlotPin& pin : pins) {
    // One that was unpinned while it is leased has its bytes still.
    if (!pins_.contains(pin.key)) new_bytes += pin.size_bytes;
  }
  if (new_bytes > free_bytes_) return new_bytes - free_bytes_;
  free_bytes_ -= new_bytes;
  for (const SlotPin& pin : pins) {
    Pinned& pinned = pins_.try_emplace(pin.key, Pinned{.pinned = false}).first->second;
    assert(!pinned.pinned);
    pinned.size_bytes = pin.size_bytes;
    pinned.pinned = true;
  }
  return 0;
}

void SlotGrants::Unpin(uint64_t key) {
  MutexLock lock(mutex_);
  Pinned& pinned = pins_.at(key);
  assert(pinned.pinned);
  pinned.pinned = false;
  DropIfFree(key);
}

bool SlotGrants::Use(uint64_t key) {
  MutexLock lock(mutex_);
  const auto found = pins_.find(key);
  if (found == pins_.end() || !found->second.pinned) return false;
  ++found->second.uses;
  return true;
}

void SlotGrants::EndUse(uint64_t key) {
  MutexLock lock(mutex_);
  Pinned& pinned = pins_.at(key);
  assert(pinned.uses > 0);
  --pinned.uses;
  DropIfFree(key);
}

void SlotGrants::DropIfFree(uint64_t key) {
  const auto found = pins_.find(key);
  if (found->second.pinned || found->second.uses > 0) return;
  free_bytes_ += found->second.size_bytes;
  pins_.erase(found);
}

bool SlotGrants::IsPinned(uint64_t key) const {
  MutexLock lock(mutex_);
  const auto found = pins_.find(key);
  return found != pins_.end() && found->second.pinned;
}

uint64_t SlotGrants::free_bytes() const {
  MutexLock lock(mutex_);
  return free_bytes_;
}

uint64_t SlotGrants::granted_bytes() const {
  MutexLock lock(mutex_);
  return granted_bytes_;
}

MemoryHolders SlotGrants::holders() const {
  MutexLock lock(mutex_);
  MemoryHolders holders{.session_bytes = granted_bytes_};
  for (const auto& [key, pinned] : pins_) {
    (pinned.pinned ? holders.pinned_bytes[CacheKeyModel(UnitKeyOf(key))] : holders.session_bytes) +=
        pinned.size_bytes;
  }
  return holders;
}

}  // namespace ecf8
