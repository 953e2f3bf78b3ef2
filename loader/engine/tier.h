// The memories that hold units.
#ifndef ECF8_LOADER_ENGINE_TIER_H_
#define ECF8_LOADER_ENGINE_TIER_H_

#include <cstddef>
#include <cstdint>

namespace ecf8 {

// From the last resort to what clients read.
enum class Tier : uint8_t {
  kHost,    // stored, in the arena
  kDevice,  // stored, in frames of the device
  kSlots,   // decoded, in a slot of the device
};
inline constexpr size_t kTierCount = 3;

// Whose budget it is: "host", "device", "slot".
inline const char* BudgetName(Tier tier) {
  return tier == Tier::kHost ? "host" : tier == Tier::kDevice ? "device" : "slot";
}

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_TIER_H_
