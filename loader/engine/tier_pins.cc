#include "loader/engine/tier_pins.h"

#include <cassert>

#include "loader/cache/cache_policy.h"

namespace ecf8 {

void TierPins::Keep(uint64_t key, uint64_t size_bytes) { FindOrMake(key, size_bytes).kept = true; }

void TierPins::Hold(uint64_t key, uint64_t size_bytes) { ++FindOrMake(key, size_bytes).holds; }

void TierPins::Unkeep(uint64_t key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  found->second.kept = false;
  DropIfUnpinned(key, found->second);
}

void TierPins::Unhold(uint64_t key) {
  const auto found = entries_.find(key);
  if (found == entries_.end() || found->second.holds == 0) return;
  --found->second.holds;
  DropIfUnpinned(key, found->second);
}

std::vector<uint64_t> TierPins::KeysOf(uint32_t model) const {
  std::vector<uint64_t> keys;
  if (!by_model_.contains(model)) return keys;
  for (const auto& [key, entry] : entries_) {
    if (CacheKeyModel(key) == model) keys.push_back(key);
  }
  return keys;
}

TierPins::Entry& TierPins::FindOrMake(uint64_t key, uint64_t size_bytes) {
  const auto [found, is_new] = entries_.try_emplace(key, Entry{.size_bytes = size_bytes});
  assert(found->second.size_bytes == size_bytes);
  if (is_new) {
    totals_.Add(size_bytes);
    by_model_[CacheKeyModel(key)].Add(size_bytes);
  }
  return found->second;
}

void TierPins::DropIfUnpinned(uint64_t key, const Entry& entry) {
  if (!entry.kept && entry.holds == 0) Drop(key);
}

void TierPins::Drop(uint64_t key) {
  const auto found = entries_.find(key);
  const auto model = by_model_.find(CacheKeyModel(key));
  totals_.Remove(found->second.size_bytes);
  model->second.Remove(found->second.size_bytes);
  if (model->second.units == 0) by_model_.erase(model);
  entries_.erase(found);
}

}  // namespace ecf8
