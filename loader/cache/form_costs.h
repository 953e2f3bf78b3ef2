// What it costs to use a unit, stage by stage, and so what holding it in a form saves.
//
// A use of a unit that is nowhere reads it from disk, copies it to the device and decodes it. Held
// in host memory it needs no read; held compressed on the device no copy either; held decoded
// nothing at all, for the more bytes.
#ifndef ECF8_LOADER_CACHE_FORM_COSTS_H_
#define ECF8_LOADER_CACHE_FORM_COSTS_H_

#include <cstdint>

namespace ecf8 {

// Each at least 0; what never happens takes 0 (the copy, where a device decodes from host memory).
// Of the whole machine, in the long run, not of one thread. Only their ratios count.
struct FormCosts {
  double read_seconds_per_stored_byte = 0;
  double copy_seconds_per_stored_byte = 0;
  double decode_seconds_per_decoded_byte = 0;
};

// The best place that a unit is stored in.
enum class StoredPlace : uint8_t { kDisk, kHost, kDevice };

// What a use saves, a byte of the slot, where the unit is held decoded in a slot of
// `slot_size_bytes` besides being stored at `place`. In the cost of a byte that is read, copied and
// decoded, so that it is about 1 for a unit that is on the disk alone. 1 where nothing costs
// anything.
double SavedByDecoded(const FormCosts& costs, StoredPlace place, uint64_t stored_size_bytes,
                      uint64_t decoded_size_bytes, uint64_t slot_size_bytes);

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_FORM_COSTS_H_
