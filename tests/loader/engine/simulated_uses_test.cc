// The engine beside the simulator of uses: where time does not matter, they agree to the last hit.

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "loader/cache/schedule_policy.h"
#include "loader/cache/simulator/simulate_uses.h"
#include "loader/checkpoint/unit_place.h"
#include "tests/loader/engine/simulated_engine.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::ExpectedModel;
using ::ecf8::testing::SimulatedEngine;
using ::ecf8::testing::SimulationOptions;

using Kind = UseEvent::Kind;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint32_t kLayers = 6;
constexpr uint32_t kExperts = 64;

// The units of 60 tokens, one use after the other.
std::vector<uint32_t> DrawUses(const CompressedModel& model) {
  std::mt19937 random(1);
  std::vector<double> weights;
  for (uint32_t i = 0; i < kExperts; ++i) weights.push_back(1.0 / (i + 1));
  std::discrete_distribution<uint32_t> zipf(weights.begin(), weights.end());
  std::vector<uint32_t> uses;
  for (int token = 0; token < 60; ++token) {
    for (uint32_t layer = 0; layer < kLayers; ++layer) {
      const std::string id = "layers." + std::to_string(layer);
      uses.push_back(*model.FindUnit(id));
      for (int i = 0; i < 4; ++i) {
        const uint32_t expert = (zipf(random) + layer * 7) % kExperts;
        uses.push_back(*model.FindUnit(id + ".experts." + std::to_string(expert)));
      }
    }
  }
  return uses;
}

EngineStats RunEngine(const ExpectedModel& expected, const SimulationOptions& options,
                      const std::vector<uint32_t>& uses) {
  SimulatedEngine engine(expected, options);
  for (const uint32_t unit : uses) {
    const auto held = engine.Acquire({.unit_index = unit});
    EXPECT_TRUE(engine.RunUntilIdle());
    EXPECT_TRUE(held->ready());
    engine.Release(held);
    EXPECT_TRUE(engine.RunUntilIdle());
  }
  return engine.core->stats();
}

UseCounts Simulate(const CompressedModel& model, const FormCosts& costs, const EngineStats& stats,
                   const std::vector<uint32_t>& uses) {
  SchedulePolicy slots(stats.slots.capacity_bytes);
  SchedulePolicy host(stats.host.capacity_bytes);
  UseSetup setup{.costs = costs};
  setup.slots = {.budget_bytes = stats.slots.capacity_bytes, .policy = &slots};
  setup.host = {.budget_bytes = stats.host.capacity_bytes, .policy = &host};
  for (uint32_t i = 0; i < model.unit_count(); ++i) {
    const Unit& unit = model.unit(i);
    const UnitPlace place = PlaceOfUnit(unit.id);
    setup.model.units.push_back({.id = unit.id,
                                 .stored_size_bytes = unit.stored_size_bytes,
                                 .decoded_size_bytes = unit.decoded_size_bytes,
                                 .layer = place.layer,
                                 .expert = place.expert});
    setup.slots.unit_bytes.push_back(SlotSpace::SlotBytes(unit.decoded_size_bytes));
    setup.host.unit_bytes.push_back(RoundUp(unit.stored_size_bytes, kFrameBytes));
  }
  std::vector<UseEvent> events;
  for (const uint32_t unit : uses) {
    for (const Kind kind : {Kind::kDemand, Kind::kReady, Kind::kReleased}) {
      events.push_back({kind, unit});
    }
  }
  return SimulateUses(events, setup);
}

TEST(SimulatedUses, AgreeWithTheEngineToTheLastHit) {
  const ExpectedModel expected(
      {.layers = kLayers, .projection_rows = 200, .experts = kExperts, .expert_rows = 200});
  const std::vector<uint32_t> uses = DrawUses(*expected.model);
  for (const uint64_t host_units : {16, 64, 128}) {
    const SimulationOptions options = {.host_bytes = host_units * kMiB, .slot_bytes = 256 * kMiB};
    const EngineStats stats = RunEngine(expected, options, uses);
    FormCosts costs = options.device.costs;
    costs.read_seconds_per_stored_byte = options.read_seconds_per_stored_byte;
    const UseCounts counts = Simulate(*expected.model, costs, stats, uses);
    EXPECT_EQ(counts.uses, uses.size());
    EXPECT_EQ(counts.slot_hits, stats.slots.hits);
    EXPECT_EQ(counts.host_hits, stats.host.hits);
    const UseCounts unweighed = Simulate(*expected.model, {}, stats, uses);
    EXPECT_NE(unweighed.slot_hits, counts.slot_hits) << "the run does not tell them apart";
  }
}

}  // namespace
}  // namespace ecf8
