// What the tiers and their weighing are worth: engines in virtual time, beside each other.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "loader/engine/engine_core.h"
#include "tests/loader/engine/simulated_engine.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::ExpectedModel;
using ::ecf8::testing::SimulatedEngine;
using ::ecf8::testing::SimulationOptions;

constexpr uint64_t kMiB = 1 << 20;

// At equal bytes of device memory: all of it for slots, or for frames but for one slot.
TEST(DeviceTier, HoldsMoreExpertsCompressedThanDecoded) {
  constexpr int kExperts = 28;
  const ExpectedModel expected(
      {.layers = 4, .projection_rows = 16, .experts = kExperts, .expert_rows = 2048});
  const uint64_t slot_bytes = 2 * kMiB;  // an expert's
  const uint64_t device_bytes = 80 * slot_bytes;
  const auto residents = [&](const SimulationOptions& options) {
    SimulatedEngine engine(expected, options);
    std::mt19937 random(1);
    for (int token = 0; token < 30; ++token) {
      for (int layer = 0; layer < 4; ++layer) {
        for (int i = 0; i < 8; ++i) {
          const auto expert = std::min(random() % kExperts, random() % kExperts);
          const auto held = engine.Acquire(
              {.unit_index = *expected.model->FindUnit("layers." + std::to_string(layer) +
                                                       ".experts." + std::to_string(expert))});
          EXPECT_TRUE(engine.RunUntilIdle());
          EXPECT_TRUE(held->ready());
          engine.Release(held);
        }
      }
    }
    EXPECT_TRUE(engine.RunUntilIdle());
    return engine.core->stats();
  };
  const EngineStats decoded = residents({.host_bytes = 4 * kMiB, .slot_bytes = device_bytes});
  const EngineStats compressed = residents({.host_bytes = 4 * kMiB,
                                            .device_bytes = device_bytes - slot_bytes,
                                            .slot_bytes = slot_bytes});
  EXPECT_LE(decoded.slots.units, 80u);
  EXPECT_GE(static_cast<double>(compressed.device.units),
            1.15 * static_cast<double>(decoded.slots.units));
  EXPECT_LT(compressed.read_bytes, decoded.read_bytes);
  ::testing::Test::RecordProperty("experts_decoded", static_cast<int>(decoded.slots.units));
  ::testing::Test::RecordProperty("experts_compressed", static_cast<int>(compressed.device.units));
}

// Nothing else changes than that the policies know what reading, copying and decoding cost.
TEST(DeviceTier, WeighingSlotsByWhatIsStoredElsewhereSavesReads) {
  constexpr int kExperts = 64;
  constexpr int kLayers = 6;
  const ExpectedModel expected(
      {.layers = kLayers, .projection_rows = 200, .experts = kExperts, .expert_rows = 200});
  const auto read_bytes = [&](const SimulationOptions& options) {
    SimulatedEngine engine(expected, options);
    std::mt19937 random(1);
    std::vector<double> weights;
    for (int i = 0; i < kExperts; ++i) weights.push_back(1.0 / (i + 1));
    std::discrete_distribution<int> zipf(weights.begin(), weights.end());
    const auto use = [&engine, &expected](const std::string& id) {
      const auto held = engine.Acquire({.unit_index = *expected.model->FindUnit(id)});
      EXPECT_TRUE(engine.RunUntilIdle());
      EXPECT_TRUE(held->ready());
      engine.Release(held);
    };
    uint64_t warm_bytes = 0;
    for (int token = 0; token < 80; ++token) {
      if (token == 20) warm_bytes = engine.core->stats().read_bytes;
      for (int layer = 0; layer < kLayers; ++layer) {
        const std::string id = "layers." + std::to_string(layer);
        use(id);
        for (int i = 0; i < 4; ++i) {
          use(id + ".experts." + std::to_string((zipf(random) + layer * 7) % kExperts));
        }
      }
    }
    EXPECT_TRUE(engine.RunUntilIdle());
    return engine.core->stats().read_bytes - warm_bytes;
  };
  SimulationOptions options = {.host_bytes = 64 * kMiB, .slot_bytes = 256 * kMiB};
  const uint64_t weighed_bytes = read_bytes(options);
  options.read_seconds_per_stored_byte = 0;
  options.device.costs = {};
  EXPECT_LT(static_cast<double>(weighed_bytes), 0.9 * static_cast<double>(read_bytes(options)));
}

}  // namespace
}  // namespace ecf8
