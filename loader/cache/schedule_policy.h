// The policy of the daemon's tiers: it knows that a pass over a model walks its layers in order,
// and learns which experts the passes choose. docs/CACHE.md has the reasoning and the figures.
#ifndef ECF8_LOADER_CACHE_SCHEDULE_POLICY_H_
#define ECF8_LOADER_CACHE_SCHEDULE_POLICY_H_

#include <cstdint>
#include <memory>

#include "loader/cache/cache_policy.h"

namespace ecf8 {

// For a tier of `budget_bytes`. Every model must be announced by AddModel.
std::unique_ptr<CachePolicy> MakeSchedulePolicy(uint64_t budget_bytes);

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_SCHEDULE_POLICY_H_
