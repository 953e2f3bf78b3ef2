#include "loader/cache/tier_weights.h"

namespace ecf8 {

void TierWeights::Reweigh(uint64_t key, const UnitSizes& sizes, const StoredCopies& copies) {
  // Decoding has no use for the host's copy; who asks for the stored bytes has.
  host_.SetSaving(key, copies.on_device && !copies.asked_stored ? 0 : 1);
  const StoredPlace place = copies.on_device ? StoredPlace::kDevice
                            : copies.in_host ? StoredPlace::kHost
                                             : StoredPlace::kDisk;
  slots_.SetSaving(key, SavedByDecoded(costs_, place, sizes.stored_bytes, sizes.decoded_bytes,
                                       sizes.slot_bytes));
}

// It leaves nothing to decode.
void TierWeights::ReweighStoredSlot(uint64_t key, uint64_t stored_bytes, uint64_t slot_bytes,
                                    bool in_host) {
  const StoredPlace place = in_host ? StoredPlace::kHost : StoredPlace::kDisk;
  slots_.SetSaving(key, SavedByDecoded(costs_, place, stored_bytes, 0, slot_bytes));
}

}  // namespace ecf8
