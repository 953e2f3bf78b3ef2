// The memories that hold units.
#ifndef ECF8_LOADER_ENGINE_TIER_H_
#define ECF8_LOADER_ENGINE_TIER_H_

#include <cstddef>
#include <cstdint>

#include "loader/cache/cache_policy.h"

namespace ecf8 {

// From the last resort to what clients read.
enum class Tier : uint8_t {
  kHost,         // stored, in the arena
  kDevice,       // stored, in frames of the device
  kSlots,        // decoded, in a slot of the device
  kStoredSlots,  // stored, in a slot: the same memory
};
inline constexpr size_t kTierCount = 4;

constexpr bool AreSlots(Tier tier) { return tier == Tier::kSlots || tier == Tier::kStoredSlots; }

// A unit as the policy and the grants of the tier's memory know it. The slots may have a unit
// twice, once in each form: the stored ones are units of another model there, whose number no model
// has.
inline constexpr uint32_t kStoredSlotsModel = uint32_t{1} << 31;
constexpr uint64_t TierKey(Tier tier, uint64_t key) {
  return tier == Tier::kStoredSlots ? key | uint64_t{kStoredSlotsModel} << 32 : key;
}
// The other way, of a key of the slots' memory.
constexpr Tier SlotTierOf(uint64_t tier_key) {
  return (CacheKeyModel(tier_key) & kStoredSlotsModel) != 0 ? Tier::kStoredSlots : Tier::kSlots;
}
constexpr uint64_t UnitKeyOf(uint64_t tier_key) {
  return tier_key & ~(uint64_t{kStoredSlotsModel} << 32);
}

// Whose budget it is: "host", "device", "slot".
inline const char* BudgetName(Tier tier) {
  return tier == Tier::kHost ? "host" : tier == Tier::kDevice ? "device" : "slot";
}

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_TIER_H_
