// A machine, as far as the speed of a model on it depends on it.
#ifndef ECF8_LOADER_PLANNING_HARDWARE_H_
#define ECF8_LOADER_PLANNING_HARDWARE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace ecf8 {

// Rates in bytes, weights or operations a second, as they are reached, not as data sheets have
// them. All above zero, but for host_to_device_rate: 0 where the device decodes from host memory
// (the host device).
struct Hardware {
  std::string name;
  std::string source;                // where the figures come from
  uint64_t device_memory_bytes = 0;  // for decoded weights, the cache of keys and values, and, on
                                     // a GPU, compressed weights: less than the device has
  double device_rate = 0;            // of its memory, read and written together
  double decode_rate = 0;            // weights
  double compute_rate = 0;           // floating-point operations
  double host_to_device_rate = 0;    // stored bytes
  uint64_t host_memory_bytes = 0;    // for compressed weights: less than the host has
  double disk_rate = 0;              // stored bytes
};

// The machines that are known by name.
const std::vector<Hardware>& KnownHardware();

// NOT_FOUND, with the names that there are.
absl::StatusOr<Hardware> FindHardware(std::string_view name);

// From a JSON object with the members above. INVALID_ARGUMENT for another, and for values that are
// missing, negative or absurd.
absl::StatusOr<Hardware> ParseHardware(std::string_view text);

// The same as JSON.
std::string HardwareJson(const Hardware& hardware);

}  // namespace ecf8

#endif  // ECF8_LOADER_PLANNING_HARDWARE_H_
