// Replays a trace through a policy, with a tier of so many bytes that holds nothing in the
// beginning.
#ifndef ECF8_LOADER_CACHE_SIMULATOR_SIMULATE_H_
#define ECF8_LOADER_CACHE_SIMULATOR_SIMULATE_H_

#include <cstdint>

#include "loader/cache/cache_policy.h"
#include "loader/cache/trace.h"

namespace ecf8 {

struct SimulationResult {
  uint64_t demands = 0;
  uint64_t hits = 0;  // demands for a unit that was held; of one that was hinted, at the hint
  uint64_t demanded_bytes = 0;
  uint64_t hit_bytes = 0;

  double hit_rate() const {
    return demands == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(demands);
  }
};

// Sizes are the stored ones. A unit that is missed is read at once and held if the policy admits
// it; nothing is ever in use, so that everything held may be evicted. The policy must be new.
// Aborts where the policy breaks its contract: victims that are not held, or too few of them.
SimulationResult Simulate(const Trace& trace, uint64_t budget_bytes, CachePolicy& policy);

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_SIMULATOR_SIMULATE_H_
