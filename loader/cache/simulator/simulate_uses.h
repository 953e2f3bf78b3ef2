// Replays what a client of the engine did, through two tiers as the engine has them.
//
// simulate.h asks how good a policy is, and lets it refuse a unit. The engine cannot: what is read
// or decoded has its place in a tier, and keeps it while it is in use; and its tiers are told of
// each other's copies (tier_weights.h). Here that is so, too; what is left out is time.
#ifndef ECF8_LOADER_CACHE_SIMULATOR_SIMULATE_USES_H_
#define ECF8_LOADER_CACHE_SIMULATOR_SIMULATE_USES_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "loader/cache/cache_policy.h"
#include "loader/cache/form_costs.h"
#include "loader/cache/trace.h"

namespace ecf8 {

// One step in the use of a decoded unit of the first model.
struct UseEvent {
  enum class Kind : uint8_t {
    kDemand,
    kHint,
    kRaise,     // a hint has become a demand
    kReady,     // decoded: from here on its stored bytes are not in use
    kReleased,  // given back
  };
  Kind kind = Kind::kDemand;
  uint32_t unit = 0;

  bool operator==(const UseEvent&) const = default;
};

struct TierSetup {
  std::vector<uint64_t> unit_bytes{};  // what the units take in it, in walk order
  uint64_t budget_bytes = 0;
  CachePolicy* policy = nullptr;  // must be new
};

struct UseSetup {
  TraceModel model{};
  FormCosts costs{};  // Engine::form_costs()
  TierSetup slots{};
  TierSetup host{};
};

// A use is one however it began: a demand, or a hint.
struct UseCounts {
  uint64_t uses = 0;
  uint64_t slot_hits = 0;
  uint64_t host_hits = 0;  // of those that found nothing in a slot
};

UseCounts SimulateUses(absl::Span<const UseEvent> events, const UseSetup& setup);

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_SIMULATOR_SIMULATE_USES_H_
