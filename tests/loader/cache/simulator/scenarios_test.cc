// What is asked of the replacement policy, on small forms of the traces of `ecf8 bench cache`.

#include "loader/cache/simulator/scenarios.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"

namespace ecf8 {
namespace {

std::vector<uint64_t> Capacities() {
  std::vector<uint64_t> capacities(61);
  std::iota(capacities.begin(), capacities.end(), 1);
  return capacities;
}

double LeastRate(ScenarioKind kind, const Comparison& rates) {
  switch (kind) {
    case ScenarioKind::kCyclic:
      return 0.99 * rates.belady;
    case ScenarioKind::kSteady:
      return 0.97 * *rates.oracle;
    case ScenarioKind::kDrift:
      return 0.92 * *rates.oracle;
    case ScenarioKind::kLocality:
      return rates.lru >= rates.BestPeer() ? 0.97 * rates.lru : 0;
    case ScenarioKind::kOther:
      break;
  }
  return 0;
}

// A change of topic shows the sooner the more layers there are.
constexpr ScenarioSize kSize = {6, 1500, 11};
constexpr ScenarioSize kDriftSize = {24, 900, 11};

class Acceptance : public ::testing::TestWithParam<size_t> {};

TEST_P(Acceptance, HoldsOnTheTrace) {
  Scenario scenario = MakeScenarios(kSize, Capacities())[GetParam()];
  if (scenario.kind == ScenarioKind::kDrift) {
    scenario = MakeScenarios(kDriftSize, {})[GetParam()];
  }
  const GeneratedTrace generated = scenario.generate();
  for (const uint64_t budget_bytes : scenario.budgets_bytes) {
    SCOPED_TRACE(absl::StrCat(scenario.name, ", budget ", budget_bytes));
    const Comparison rates = Compare(generated, budget_bytes);
    EXPECT_LE(rates.ours, rates.belady);
    EXPECT_GE(rates.ours, rates.BestPeer() - 0.005);
    EXPECT_GE(rates.ours, LeastRate(scenario.kind, rates));
  }
}

INSTANTIATE_TEST_SUITE_P(Scenarios, Acceptance, ::testing::Range<size_t>(0, 22));

TEST(Scenarios, AllAreTested) { EXPECT_EQ(MakeScenarios({1, 1, 1}, {}).size(), 22u); }

}  // namespace
}  // namespace ecf8
