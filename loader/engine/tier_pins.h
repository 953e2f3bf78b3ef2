// The units of one tier that are pinned: what is there of them stays, what comes is kept.
//
// A pin has two kinds of reason. Somebody wants it kept, until he says otherwise; and some hold it
// for as long as they live: a preload that is to pin, a resident session. A unit is pinned as long
// as it has one reason.
#ifndef ECF8_LOADER_ENGINE_TIER_PINS_H_
#define ECF8_LOADER_ENGINE_TIER_PINS_H_

#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "loader/engine/residency.h"

namespace ecf8 {

// Thread-compatible.
class TierPins {
 public:
  // `size_bytes`: what the unit takes in the tier; the same each time.
  void Keep(uint64_t key, uint64_t size_bytes);
  void Hold(uint64_t key, uint64_t size_bytes);
  // Nothing where it is not pinned, or not so.
  void Unkeep(uint64_t key);
  void Unhold(uint64_t key);

  bool Has(uint64_t key) const { return entries_.contains(key); }
  // Of one that is pinned.
  uint64_t size_bytes_of(uint64_t key) const { return entries_.at(key).size_bytes; }
  // Of the model, in any order.
  std::vector<uint64_t> KeysOf(uint32_t model) const;
  // Whatever the reasons.
  void Drop(uint64_t key);
  const UnitTotals& totals() const { return totals_; }
  // Of the models that have some.
  const std::map<uint32_t, UnitTotals>& by_model() const { return by_model_; }

 private:
  struct Entry {
    uint64_t size_bytes = 0;
    bool kept = false;
    uint32_t holds = 0;
  };

  Entry& FindOrMake(uint64_t key, uint64_t size_bytes);
  void DropIfUnpinned(uint64_t key, const Entry& entry);

  std::unordered_map<uint64_t, Entry> entries_;
  UnitTotals totals_;
  std::map<uint32_t, UnitTotals> by_model_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_TIER_PINS_H_
