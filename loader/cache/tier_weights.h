// What the policies of the tiers are told of each other.
//
// Each decides by what a copy saves beside the others that there are (form_costs.h), so that no
// memory is spent twice on one unit where another could use it: a unit that is kept on the device
// is the first to go from host memory, and a slot is worth more to a unit that would have to be
// read again.
#ifndef ECF8_LOADER_CACHE_TIER_WEIGHTS_H_
#define ECF8_LOADER_CACHE_TIER_WEIGHTS_H_

#include <cstdint>

#include "loader/cache/cache_policy.h"
#include "loader/cache/form_costs.h"

namespace ecf8 {

struct UnitSizes {
  uint64_t stored_bytes = 0;
  uint64_t decoded_bytes = 0;
  uint64_t slot_bytes = 0;  // of the slot that it takes
};

// Where the stored bytes are.
struct StoredCopies {
  bool in_host = false;       // or on their way there
  bool on_device = false;     // all of them
  bool asked_stored = false;  // by somebody, since they are in host memory
};

// Thread-compatible.
class TierWeights {
 public:
  // The policies outlive it.
  TierWeights(const FormCosts& costs, CachePolicy& host, CachePolicy& slots)
      : costs_(costs), host_(host), slots_(slots) {}

  // To be called where a copy of the unit has come or gone, in any tier.
  void Reweigh(uint64_t key, const UnitSizes& sizes, const StoredCopies& copies);

  // The same for a copy of the stored bytes in a slot, which the slots' policy knows as `key`: it
  // saves what brings them there.
  void ReweighStoredSlot(uint64_t key, uint64_t stored_bytes, uint64_t slot_bytes, bool in_host);

 private:
  const FormCosts costs_;
  CachePolicy& host_;
  CachePolicy& slots_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_TIER_WEIGHTS_H_
