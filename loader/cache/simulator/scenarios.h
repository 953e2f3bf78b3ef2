// The traces that policies are compared on, and the comparison.
#ifndef ECF8_LOADER_CACHE_SIMULATOR_SCENARIOS_H_
#define ECF8_LOADER_CACHE_SIMULATOR_SCENARIOS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "loader/cache/simulator/generators.h"

namespace ecf8 {

// What is asked of our policy on a trace; every one also has the peers beside it.
enum class ScenarioKind : uint8_t {
  kCyclic,    // within 1 % of Belady
  kSteady,    // 97 % of the static oracle
  kDrift,     // 92 % of the static oracle
  kLocality,  // 97 % of LRU, where LRU is the best of the peers
  kOther,
};

struct Scenario {
  std::string name;
  ScenarioKind kind = ScenarioKind::kOther;
  std::function<GeneratedTrace()> generate;
  std::vector<uint64_t> budgets_bytes;
};

struct ScenarioSize {
  uint32_t layers = 58;  // of the models with experts, 256 in each layer
  uint32_t tokens = 1500;
  uint64_t seed = 1;
};

// Cyclic walks at `cyclic_capacities` of 61 units; experts with Zipf skew 0.6 to 1.2, steady, with
// full and with partial drift every 300 tokens; with locality; with prefill scans; with dense
// units; mixtures of two models, token by token and in long runs.
std::vector<Scenario> MakeScenarios(const ScenarioSize& size,
                                    const std::vector<uint64_t>& cyclic_capacities);

// Hit rates, 0 to 1, at one budget.
struct Comparison {
  double ours = 0, lru = 0, lfu = 0, s3_fifo = 0, belady = 0;
  std::optional<double> oracle, preloaded_oracle;  // where the trace's probabilities are known
  double ours_cpu_us_per_access = 0;               // the simulator's own part included

  double BestPeer() const;  // of LRU, LFU, S3-FIFO
};
Comparison Compare(const GeneratedTrace& generated, uint64_t budget_bytes);

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_SIMULATOR_SCENARIOS_H_
