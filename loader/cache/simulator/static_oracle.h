// The static policy that knows the probabilities behind a generated trace: the fair bound for a
// policy that cannot see the future.
#ifndef ECF8_LOADER_CACHE_SIMULATOR_STATIC_ORACLE_H_
#define ECF8_LOADER_CACHE_SIMULATOR_STATIC_ORACLE_H_

#include <cstdint>
#include <memory>

#include "loader/cache/cache_policy.h"
#include "loader/cache/simulator/generators.h"

namespace ecf8 {

// Admits the `capacity` likeliest experts of the phase and nothing else. Like every policy it holds
// a unit once that was read. All units are experts of one size; it must be told the accesses of the
// trace, in order. `generated` must outlive it.
std::unique_ptr<CachePolicy> MakeStaticOracle(const GeneratedTrace& generated, uint64_t capacity);

// The hits of the same policy if its experts were there by magic when a phase begins.
uint64_t PreloadedOracleHits(const GeneratedTrace& generated, uint64_t capacity);

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_SIMULATOR_STATIC_ORACLE_H_
