#include "loader/cache/simulator/generators.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "loader/cache/simulator/peers.h"
#include "loader/cache/simulator/simulate.h"
#include "loader/cache/simulator/static_oracle.h"

namespace ecf8 {
namespace {

constexpr ExpertShape kOneLayer = {1, 256, 8, 1, 0};

ExpertTraffic Locality() {
  ExpertTraffic traffic;
  traffic.kind = ExpertTraffic::Kind::kLocality;
  return traffic;
}

double LruHitRate(const Trace& trace, uint64_t capacity) {
  auto lru = MakeLruPolicy();
  return Simulate(trace, capacity, *lru).hit_rate();
}

// The published figures of real models (docs/CACHE.md).
TEST(Generators, LocalityIsAsPublished) {
  const Trace trace = GenerateExpertTrace(kOneLayer, Locality(), 4000, 5).trace;
  std::vector<uint64_t> counts(256, 0);
  uint64_t recalled = 0;
  for (size_t i = 8; i < trace.records.size(); ++i) {
    const size_t token = i / 8;
    for (size_t j = (token - 1) * 8; j < token * 8; ++j) {
      recalled += trace.records[j].unit == trace.records[i].unit ? 1 : 0;
    }
  }
  for (const TraceRecord& record : trace.records) ++counts[record.unit];
  std::sort(counts.rbegin(), counts.rend());
  uint64_t hot = 0;
  for (size_t i = 0; i < 16; ++i) hot += counts[i];
  const auto total = static_cast<double>(trace.records.size());
  EXPECT_NEAR(static_cast<double>(recalled) / total, 0.41, 0.01);
  EXPECT_NEAR(static_cast<double>(hot) / total, 0.10, 0.015);
  EXPECT_NEAR(LruHitRate(trace, 64), 0.67, 0.01);
  EXPECT_NEAR(LruHitRate(trace, 128), 0.81, 0.01);
}

TEST(Generators, ATokenUsesDistinctExpertsOfEveryLayer) {
  const ExpertShape shape = {3, 16, 4, 1, 2};
  const Trace trace = GenerateExpertTrace(shape, {}, 50, 1).trace;
  ASSERT_EQ(trace.models[0].units.size(), 3u * 17);
  ASSERT_EQ(trace.records.size(), 50u * 3 * 5);
  for (size_t i = 0; i < trace.records.size(); i += 5) {
    const uint32_t layer = static_cast<uint32_t>(i / 5 % 3);
    EXPECT_EQ(trace.records[i].unit, layer * 17);
    std::set<uint32_t> experts;
    for (size_t j = i + 1; j < i + 5; ++j) {
      const TraceUnit& unit = trace.models[0].units[trace.records[j].unit];
      EXPECT_EQ(unit.layer, layer);
      EXPECT_TRUE(unit.expert);
      experts.insert(trace.records[j].unit);
    }
    EXPECT_EQ(experts.size(), 4u);
  }
}

TEST(Generators, ZipfFrequenciesFollowTheRanks) {
  ExpertShape shape = kOneLayer;
  shape.experts_per_token = 1;  // so that the draws are independent
  const GeneratedTrace generated = GenerateExpertTrace(shape, {}, 200'000, 1);
  std::vector<double> counts(256, 0);
  for (const TraceRecord& record : generated.trace.records) ++counts[record.unit];
  ASSERT_EQ(generated.phases.size(), 1u);
  const std::vector<uint32_t>& likeliest = generated.phases[0].likeliest;
  for (const uint32_t rank : {1, 3, 9}) {
    EXPECT_NEAR(counts[likeliest[0]] / counts[likeliest[rank]], rank + 1, 0.1 * (rank + 1));
  }
}

TEST(Generators, DriftExchangesAShareOfTheRanks) {
  for (const double share : {1.0, 0.25}) {
    ExpertTraffic traffic;
    traffic.drift_tokens = 10;
    traffic.drift_share = share;
    const GeneratedTrace generated = GenerateExpertTrace(kOneLayer, traffic, 30, 1);
    ASSERT_EQ(generated.phases.size(), 3u);
    EXPECT_EQ(generated.phases[2].first_record, 160u);
    int moved = 0;
    for (size_t i = 0; i < 256; ++i) {
      moved += generated.phases[0].likeliest[i] != generated.phases[1].likeliest[i] ? 1 : 0;
    }
    EXPECT_NEAR(moved / 256.0, share, 0.08);
  }
}

TEST(Generators, AScanUsesEveryExpertOnce) {
  ExpertTraffic traffic;
  traffic.scan_tokens = 10;
  const Trace trace = GenerateExpertTrace({2, 32, 2, 1, 0}, traffic, 10, 1).trace;
  EXPECT_EQ(trace.records.size(), 10u * 2 * 2 + 64);
}

TEST(Generators, TheSameSeedGivesTheSameTrace) {
  const auto make = [](uint64_t seed) {
    return GenerateExpertTrace({2, 32, 2, 1, 0}, {}, 20, seed).trace;
  };
  EXPECT_EQ(make(1), make(1));
  EXPECT_FALSE(make(1) == make(2));
}

TEST(Generators, MixesWholePasses) {
  const Trace a = GenerateCyclicTrace(3, 1, 10),
              b = GenerateExpertTrace({2, 4, 2, 1, 0}, {}, 10, 1).trace;
  const Trace runs = MixTraces(a, b, 2, 0, 1);
  ASSERT_EQ(runs.models.size(), 2u);
  ASSERT_EQ(runs.records.size(), 10u * 3 + 10 * 4);
  for (size_t i = 0; i < 14; ++i) EXPECT_EQ(runs.records[i].model, i < 6 ? 0 : 1) << i;
  const Trace mixed = MixTraces(a, b, 1, 0.5, 1);
  for (size_t i = 0; i < mixed.records.size();) {
    const uint16_t model = mixed.records[i].model;
    const size_t pass = model == 0 ? 3 : 4;
    for (size_t j = 0; j < pass; ++j, ++i) {
      ASSERT_LT(i, mixed.records.size());
      ASSERT_EQ(mixed.records[i].model, model);
    }
  }
}

TEST(StaticOracle, HoldsTheLikeliestOfThePhase) {
  ExpertTraffic traffic;
  traffic.drift_tokens = 100;
  const GeneratedTrace generated = GenerateExpertTrace({2, 64, 4, 1, 0}, traffic, 200, 1);
  auto oracle = MakeStaticOracle(generated, 32);
  const uint64_t hits = Simulate(generated.trace, 32, *oracle).hits;
  const uint64_t preloaded = PreloadedOracleHits(generated, 32);
  // Each unit of each phase is read once, unless it was held before.
  EXPECT_GE(preloaded, hits);
  EXPECT_LE(preloaded - hits, 64u);
  uint64_t counted = 0;
  for (size_t i = 0; i < generated.trace.records.size(); ++i) {
    const Phase& phase = generated.phases[i < generated.phases[1].first_record ? 0 : 1];
    const auto end = phase.likeliest.begin() + 32;
    counted += std::find(phase.likeliest.begin(), end, generated.trace.records[i].unit) != end;
  }
  EXPECT_EQ(preloaded, counted);
}

}  // namespace
}  // namespace ecf8
