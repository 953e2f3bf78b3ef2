// `ecf8 bench cache`: how often our replacement policy finds a unit in memory, beside its peers.
#ifndef ECF8_TOOLS_ECF8_BENCH_CACHE_H_
#define ECF8_TOOLS_ECF8_BENCH_CACHE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/ecf8/command.h"

namespace ecf8 {

struct BenchCacheOptions {
  std::string trace;                   // a file, or empty: the generated traces
  std::vector<uint64_t> budget_bytes;  // for a file; empty: 1/16 to 1/2 of all its units
  uint32_t layers = 58;                // of the generated models with experts
  uint32_t tokens = 1500;
  uint64_t seed = 1;
};

// Replays every trace at every budget through every policy and prints the hit rates, then how ours
// stands against what is asked of it.
absl::Status RunBenchCache(const BenchCacheOptions& options, const CommandContext& context);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_BENCH_CACHE_H_
