#include "loader/planning/plan.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "loader/planning/expert_hits.h"
#include "tests/loader/planning/model_configs.h"

namespace ecf8 {
namespace {

using testing::HasSubstr;

ModelShape Shape(std::string_view config) {
  auto shape = ShapeOfConfig(config);
  EXPECT_TRUE(shape.ok()) << shape.status();
  return *std::move(shape);
}

Hardware Machine(std::string_view name) {
  auto hardware = FindHardware(name);
  EXPECT_TRUE(hardware.ok()) << hardware.status();
  return *std::move(hardware);
}

PlanRow RowOf(const ModelShape& model, const Hardware& hardware, PlanOptions options = {}) {
  options.batches = {1};
  return Planner(model).MakePlan(hardware, options).rows.front();
}

TEST(ExpertHitsTest, ATokenUsesAsManyAsItChooses) {
  for (const double skew : {0.0, 0.8, 1.2}) {
    const ExpertHits hits(256, 8, skew);
    EXPECT_NEAR(hits.Distinct(1), 8, 0.01);
    EXPECT_LT(hits.Distinct(4), 32.01);
    EXPECT_GT(hits.Distinct(4), hits.Distinct(1));
    EXPECT_LE(hits.Distinct(100'000), 256);
  }
  // Equal chances: 256 (1 - (1 - 8/256)^16).
  EXPECT_NEAR(ExpertHits(256, 8, 0).Distinct(16), 101.9, 0.5);
}

TEST(ExpertHitsTest, MoreCacheHitsMore) {
  ExpertHits hits(64, 4, 0.8);
  EXPECT_EQ(hits.HitRate(0, 1), 0);
  EXPECT_EQ(hits.HitRate(1, 1), 1);
  double before = 0;
  for (const double share : {0.1, 0.3, 0.6, 0.9}) {
    const double rate = hits.HitRate(share, 1);
    EXPECT_GT(rate, before);
    EXPECT_GT(rate, share * 0.9);  // no worse than chance
    before = rate;
    EXPECT_LE(hits.HitRate(share, 64), rate + 1e-9);  // a large batch uses the rare ones, too
  }
}

// The brief's upper bounds for DeepSeek-V3 on one H100 with everything in host memory: 3.2, 4.5 and
// 6.3 tokens a second at 0, 30 and 50 % of the experts on the device; 2.7, 3.8 and 5.4 as FP8.
TEST(PlanTest, StaysWithinTheBusForDeepSeekV3) {
  const ModelShape model = Shape(kDeepSeekV3);
  const Hardware hardware = Machine("h100");
  const double rates[] = {0, 0.3, 0.5};
  const double compressed[] = {3.2, 4.5, 6.3};
  const double plain[] = {2.7, 3.8, 5.4};
  for (int i = 0; i < 3; ++i) {
    PlanOptions options{.device_hit_rate = rates[i]};
    const PlanRow row = RowOf(model, hardware, options);
    EXPECT_EQ(row.binding, PlanStage::kBus);
    EXPECT_EQ(row.disk_bytes, 0);
    EXPECT_LT(row.tokens_per_second, compressed[i]);
    EXPECT_GT(row.tokens_per_second, compressed[i] * 0.8);
    options.compressed = false;
    EXPECT_LT(RowOf(model, hardware, options).tokens_per_second, plain[i]);
    EXPECT_GT(RowOf(model, hardware, options).tokens_per_second, plain[i] * 0.8);
  }
}

TEST(PlanTest, CountsEveryByteOnce) {
  const ModelShape model = Shape(kDeepSeekV3);
  const PlanRow row = RowOf(model, Machine("h100"));
  const Hardware hardware = Machine("h100");
  EXPECT_LT(row.resident_decoded_bytes + row.resident_stored_bytes,
            static_cast<double>(hardware.device_memory_bytes));
  const double used = model.all_experts().StoredBytes(model.bits_per_weight) +
                      model.lookup.StoredBytes(model.bits_per_weight);
  EXPECT_NEAR(row.host_bytes + row.resident_stored_bytes, used, 1e6);
  EXPECT_NEAR(row.resident_decoded_bytes, static_cast<double>(model.every_token.decoded_bytes()),
              1);
}

TEST(PlanTest, WhatDoesNotFitInHostMemoryComesFromDisk) {
  const ModelShape model = Shape(kDeepSeekV3);
  const PlanRow large = RowOf(model, Machine("h100"));
  const PlanRow small = RowOf(model, Machine("h100-small-host"));
  EXPECT_EQ(large.disk_bytes, 0);
  EXPECT_GT(small.disk_bytes, 0);
  EXPECT_LT(small.memory_hit_rate, 1);
  EXPECT_EQ(small.binding, PlanStage::kDisk);
  EXPECT_LT(small.tokens_per_second, large.tokens_per_second);
}

TEST(PlanTest, AModelThatFitsIsNotMoved) {
  Hardware hardware = Machine("h200");
  const PlanRow row = RowOf(Shape(kLlama70B), hardware);
  EXPECT_EQ(row.bus_bytes, 0);
  EXPECT_EQ(row.decoded_weights, 0);
  EXPECT_EQ(row.binding, PlanStage::kMemory);
}

// A dense model that does not: what is on the device compressed is decoded in each step, the rest
// crosses the bus.
TEST(PlanTest, ADenseModelStreamsWhatTheDeviceHasNot) {
  const ModelShape model = Shape(kLlama70B);
  const PlanRow row = RowOf(model, Machine("rtx4090"));
  ASSERT_TRUE(row.fits);
  const double stored = model.every_token.StoredBytes(model.bits_per_weight);
  EXPECT_NEAR(row.bus_bytes + row.resident_stored_bytes, stored, 1e6);
  EXPECT_EQ(row.binding, PlanStage::kBus);
  EXPECT_NEAR(row.step_seconds, row.bus_bytes / 25e9, 1e-9);
  PlanOptions plain{.compressed = false};
  EXPECT_GT(row.tokens_per_second,
            1.15 * RowOf(model, Machine("rtx4090"), plain).tokens_per_second);
}

// A host has to copy what is stored as it is, which a GPU's decoder does not count.
TEST(PlanTest, AHostCopiesWhatIsNotCoded) {
  ModelShape model = Shape(kLlama70B);
  Hardware hardware = Machine("rtx4090");
  const double gpu = RowOf(model, hardware).decoded_weights;
  model.every_token.plain_bytes += 1'000'000'000;
  EXPECT_LE(RowOf(model, hardware).decoded_weights, gpu);
  hardware.host_to_device_rate = 0;
  const double host = RowOf(model, hardware).decoded_weights;
  model.every_token.plain_bytes += 1'000'000'000;
  EXPECT_GT(RowOf(model, hardware).decoded_weights, host + 0.9e9);
}

TEST(PlanTest, SaysWhereTheDeviceIsTooSmall) {
  PlanOptions options{.batches = {1, 4096}, .context_tokens = 131072};
  const Plan plan = Planner(Shape(kDeepSeekV3)).MakePlan(Machine("h100"), options);
  EXPECT_TRUE(plan.rows[0].fits);
  EXPECT_FALSE(plan.rows[1].fits);
}

TEST(PlanTest, TriesWhatWouldHelp) {
  double bus = 0;
  for (const PlanChange& change : Planner(Shape(kDeepSeekV3)).TryChanges(Machine("h100"), {})) {
    EXPECT_GE(change.speedup, 0.999) << change.what;
    if (change.what == "twice the bus") bus = change.speedup;
  }
  EXPECT_GT(bus, 1.5);
  EXPECT_LT(bus, 2);
}

TEST(HardwareTest, GoesThroughJson) {
  for (const Hardware& hardware : KnownHardware()) {
    const auto again = ParseHardware(HardwareJson(hardware));
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(HardwareJson(*again), HardwareJson(hardware));
    EXPECT_FALSE(hardware.source.empty());
  }
  EXPECT_THAT(FindHardware("abacus").status().message(), HasSubstr("h100"));
}

TEST(HardwareTest, RefusesWhatIsNoMachine) {
  const auto message = [](std::string_view text) {
    return std::string(ParseHardware(text).status().message());
  };
  EXPECT_THAT(message("3"), HasSubstr("JSON object"));
  EXPECT_THAT(message("{}"), HasSubstr("needs device_rate"));
  EXPECT_THAT(message(R"({"disk_rat": 1})"), HasSubstr("disk_rat"));
  EXPECT_THAT(message(R"({"disk_rate": -1})"), HasSubstr("disk_rate"));
  EXPECT_THAT(message(R"({"disk_rate": 1e300})"), HasSubstr("disk_rate"));
  EXPECT_THAT(message(R"({"host_memory_bytes": 1.5})"), HasSubstr("host_memory_bytes"));
}

}  // namespace
}  // namespace ecf8
