// In which form each unit is kept, by what the form saves a byte.
//
// A use of a unit that is nowhere reads it from disk, copies it to the device and decodes it. Held
// in host memory it needs no read; held compressed on the device no copy either; held decoded
// nothing at all, for the more bytes. What does the most for its bytes goes first: a greedy choice
// of steps (compressed, then decoded) along each unit's upper hull, as Sinha and Zoltners, "The
// Multiple-Choice Knapsack Problem", Operations Research 27(3), 1979. It is optimal but for the
// last unit that does not fit.
#ifndef ECF8_LOADER_CACHE_FORM_PLANNER_H_
#define ECF8_LOADER_CACHE_FORM_PLANNER_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace ecf8 {

enum class ResidentForm : uint8_t { kNone, kHostStored, kDeviceStored, kDeviceDecoded };

struct FormUnit {
  uint64_t stored_size_bytes = 0;
  uint64_t decoded_size_bytes = 0;
  double uses = 0;  // in any unit of time, the same for all; at least 0
};

// Each at least 0; what never happens (no copy on the host device) takes 0.
struct FormCosts {
  double read_seconds_per_stored_byte = 0;
  double copy_seconds_per_stored_byte = 0;
  double decode_seconds_per_decoded_byte = 0;
};

struct FormBudgets {
  uint64_t device_bytes = 0;  // for compressed and decoded units together
  uint64_t host_bytes = 0;
};

// One form a unit, within both budgets. Where all units fit compressed on the device, all are on
// the device, and only what is left over holds decoded ones.
std::vector<ResidentForm> PlanForms(absl::Span<const FormUnit> units, const FormCosts& costs,
                                    const FormBudgets& budgets);

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_FORM_PLANNER_H_
