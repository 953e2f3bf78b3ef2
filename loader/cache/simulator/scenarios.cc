#include "loader/cache/simulator/scenarios.h"

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "loader/cache/schedule_policy.h"
#include "loader/cache/simulator/peers.h"
#include "loader/cache/simulator/simulate.h"
#include "loader/cache/simulator/static_oracle.h"

namespace ecf8 {
namespace {

constexpr uint32_t kCyclicUnits = 61;
constexpr uint32_t kCyclicPasses = 100;
constexpr uint32_t kDriftTokens = 300;
constexpr uint32_t kScanTokens = 100;
constexpr double kSkews[] = {0.6, 0.8, 1.0, 1.2};

using Kind = ExpertTraffic::Kind;

std::vector<uint64_t> Shares(uint64_t total) {
  return {total / 16, total / 8, total / 4, total / 2};
}

class Scenarios {
 public:
  explicit Scenarios(const ScenarioSize& size) : size_(size) { shape_.layers = size.layers; }

  void AddExperts(std::string name, ScenarioKind kind, const ExpertTraffic& traffic) {
    const auto generate = [shape = shape_, traffic, size = size_] {
      return GenerateExpertTrace(shape, traffic, size.tokens, size.seed);
    };
    list_.push_back({std::move(name), kind, generate, Shares(ExpertBytes())});
  }

  // Dense units of five experts' size in every layer: pinned from a third of the experts on.
  void AddWithDense() {
    ExpertShape shape = shape_;
    shape.dense_bytes = 5;
    const auto generate = [shape, size = size_] {
      return GeneratedTrace{GenerateExpertTrace(shape, {}, size.tokens, size.seed).trace, {}};
    };
    list_.push_back({"experts 1.0 and dense layers", ScenarioKind::kOther, generate,
                     Shares(ExpertBytes() + uint64_t{shape.layers} * shape.dense_bytes)});
  }

  void AddExpertMix(std::string name, uint32_t run_passes) {
    const auto generate = [shape = shape_, size = size_, run_passes] {
      ExpertTraffic locality;
      locality.kind = Kind::kLocality;
      const Trace a = GenerateExpertTrace(shape, {}, size.tokens, size.seed).trace;
      const Trace b = GenerateExpertTrace(shape, locality, size.tokens, size.seed + 1).trace;
      return GeneratedTrace{MixTraces(a, b, run_passes, 0.7, size.seed), {}};
    };
    list_.push_back({std::move(name), ScenarioKind::kOther, generate, Shares(2 * ExpertBytes())});
  }

  void AddDenseMix(std::string name, uint32_t run_passes) {
    const auto generate = [size = size_, run_passes] {
      const Trace a = GenerateCyclicTrace(kCyclicUnits, 1, 4 * kCyclicPasses);
      const Trace b = GenerateCyclicTrace(kCyclicUnits / 2, 1, 4 * kCyclicPasses);
      return GeneratedTrace{MixTraces(a, b, run_passes, 0.7, size.seed), {}};
    };
    list_.push_back({std::move(name), ScenarioKind::kOther, generate, {10, 30, 45, 61, 80}});
  }

  void AddCyclic(const std::vector<uint64_t>& capacities) {
    const auto generate = [] {
      return GeneratedTrace{GenerateCyclicTrace(kCyclicUnits, 1, kCyclicPasses), {}};
    };
    list_.push_back({"cyclic walk of 61", ScenarioKind::kCyclic, generate, capacities});
  }

  std::vector<Scenario> Take() && { return std::move(list_); }

 private:
  uint64_t ExpertBytes() const {
    return uint64_t{shape_.layers} * shape_.experts * shape_.expert_bytes;
  }

  const ScenarioSize size_;
  ExpertShape shape_;
  std::vector<Scenario> list_;
};

double HitRate(const Trace& trace, uint64_t budget_bytes, std::unique_ptr<CachePolicy> policy) {
  return Simulate(trace, budget_bytes, *policy).hit_rate();
}

}  // namespace

std::vector<Scenario> MakeScenarios(const ScenarioSize& size,
                                    const std::vector<uint64_t>& cyclic_capacities) {
  Scenarios scenarios(size);
  scenarios.AddCyclic(cyclic_capacities);
  for (const double skew : kSkews) {
    scenarios.AddExperts(absl::StrCat("Zipf ", skew), ScenarioKind::kSteady, {Kind::kZipf, skew});
  }
  for (const double skew : kSkews) {
    scenarios.AddExperts(absl::StrCat("Zipf ", skew, ", all drift"), ScenarioKind::kDrift,
                         {Kind::kZipf, skew, kDriftTokens});
  }
  for (const double skew : kSkews) {
    scenarios.AddExperts(absl::StrCat("Zipf ", skew, ", a quarter drifts"), ScenarioKind::kDrift,
                         {Kind::kZipf, skew, kDriftTokens, 0.25});
  }
  ExpertTraffic locality;
  locality.kind = Kind::kLocality;
  scenarios.AddExperts("locality", ScenarioKind::kLocality, locality);
  locality.scan_tokens = kScanTokens;
  scenarios.AddExperts("locality, prefill scans", ScenarioKind::kLocality, locality);
  ExpertTraffic scans;
  scans.scan_tokens = kScanTokens;
  scenarios.AddExperts("Zipf 1.0, prefill scans", ScenarioKind::kSteady, scans);
  scenarios.AddWithDense();
  scenarios.AddExpertMix("two expert models, by token", 1);
  scenarios.AddExpertMix("two expert models, runs of 100", 100);
  scenarios.AddDenseMix("two dense models, by pass", 1);
  scenarios.AddDenseMix("two dense models, runs of 20", 20);
  scenarios.AddDenseMix("two dense models, runs of 100", 100);
  return std::move(scenarios).Take();
}

double Comparison::BestPeer() const { return std::max({lru, lfu, s3_fifo}); }

Comparison Compare(const GeneratedTrace& generated, uint64_t budget_bytes) {
  const Trace& trace = generated.trace;
  Comparison result;
  const std::clock_t begin = std::clock();
  result.ours = HitRate(trace, budget_bytes, MakeSchedulePolicy(budget_bytes));
  const double cpu_us = 1e6 * static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  result.ours_cpu_us_per_access =
      cpu_us / static_cast<double>(std::max<size_t>(trace.records.size(), 1));
  result.lru = HitRate(trace, budget_bytes, MakeLruPolicy());
  result.lfu = HitRate(trace, budget_bytes, MakeLfuPolicy());
  result.s3_fifo = HitRate(trace, budget_bytes, MakeS3FifoPolicy(budget_bytes));
  result.belady = HitRate(trace, budget_bytes, MakeBeladyPolicy(trace));
  if (generated.phases.empty()) return result;
  result.oracle = HitRate(trace, budget_bytes, MakeStaticOracle(generated, budget_bytes));
  result.preloaded_oracle = static_cast<double>(PreloadedOracleHits(generated, budget_bytes)) /
                            static_cast<double>(trace.records.size());
  return result;
}

}  // namespace ecf8
