#include "loader/cache/form_costs.h"

namespace ecf8 {

double SavedByDecoded(const FormCosts& costs, StoredPlace place, uint64_t stored_size_bytes,
                      uint64_t decoded_size_bytes, uint64_t slot_size_bytes) {
  const double byte_seconds = costs.read_seconds_per_stored_byte +
                              costs.copy_seconds_per_stored_byte +
                              costs.decode_seconds_per_decoded_byte;
  if (byte_seconds == 0 || slot_size_bytes == 0) return 1;
  const auto stored = static_cast<double>(stored_size_bytes);
  double seconds = static_cast<double>(decoded_size_bytes) * costs.decode_seconds_per_decoded_byte;
  if (place != StoredPlace::kDevice) seconds += stored * costs.copy_seconds_per_stored_byte;
  if (place == StoredPlace::kDisk) seconds += stored * costs.read_seconds_per_stored_byte;
  return seconds / (static_cast<double>(slot_size_bytes) * byte_seconds);
}

}  // namespace ecf8
