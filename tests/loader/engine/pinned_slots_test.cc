// Where pinned units lie in the slots, so that all others still find a run.

#include "loader/engine/pinned_slots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "loader/engine/engine_core.h"
#include "tests/loader/engine/simulated_engine.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::ExpectedModel;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::SimulatedEngine;
using ::ecf8::testing::SimulationOptions;

TEST(PinnedSlots, KnowsTheLongestRunThatWouldBeLeft) {
  PinnedSlots slots(100);
  EXPECT_TRUE(slots.LeavesRun(0, 10, 90));
  EXPECT_FALSE(slots.LeavesRun(0, 10, 91));
  EXPECT_TRUE(slots.LeavesRun(40, 20, 40));
  EXPECT_FALSE(slots.LeavesRun(40, 20, 41));
  slots.Add(50, 10);
  EXPECT_TRUE(slots.Has(50));
  EXPECT_TRUE(slots.LeavesRun(0, 10, 40));  // 10 to 50, 60 to 100
  EXPECT_FALSE(slots.LeavesRun(0, 10, 41));
  EXPECT_TRUE(slots.LeavesRun(90, 10, 50));   // 0 to 50
  EXPECT_FALSE(slots.LeavesRun(40, 10, 41));  // 0 to 40, 60 to 100
  slots.Add(0, 10);
  EXPECT_FALSE(slots.LeavesRun(95, 5, 41));
  slots.Remove(50);
  EXPECT_FALSE(slots.Has(50));
  EXPECT_TRUE(slots.LeavesRun(95, 5, 85));
}

// Experts of one page, layers of four: what is pinned is spread over the memory unless somebody
// takes care.
class PinnedPlacesTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    expected_ = std::make_unique<ExpectedModel>(testing::SmallModelOptions{
        .layers = 2, .projection_rows = 6000, .experts = 12, .expert_rows = 1024});
  }
  static void TearDownTestSuite() { expected_.reset(); }

  static uint32_t Layer(int layer) {
    return *expected_->model->FindUnit("layers." + std::to_string(layer));
  }
  static uint32_t Expert(int expert) {
    return *expected_->model->FindUnit("layers.0.experts." + std::to_string(expert));
  }
  static UnitSet Experts(int from, int to) {
    UnitSet set{.tier = Tier::kSlots};
    for (int expert = from; expert < to; ++expert) set.units.push_back(Expert(expert));
    return set;
  }

  void Fetch(uint32_t unit) {
    const auto held = engine_->Acquire({.unit_index = unit});
    ASSERT_TRUE(engine_->RunUntilIdle());
    ASSERT_TRUE(held->ready()) << held->unit().id;
    engine_->Release(held);
    ASSERT_TRUE(engine_->RunUntilIdle());
  }

  static inline std::unique_ptr<ExpectedModel> expected_;
  std::optional<SimulatedEngine> engine_;
};

constexpr uint64_t kLayerPages = 3;

TEST_F(PinnedPlacesTest, OfWhatIsThereAsMuchStaysAsLeavesARun) {
  // Eight experts side by side; every other one is pinned, and then a layer is wanted.
  engine_.emplace(*expected_, SimulationOptions{.slot_bytes = 8 * kSlotPageBytes});
  for (int expert = 0; expert < 8; ++expert) Fetch(Expert(expert));
  UnitSet set{.tier = Tier::kSlots};
  for (int expert = 1; expert < 8; expert += 2) set.units.push_back(Expert(expert));
  ASSERT_THAT(engine_->core->Pin(set, PinReason::kKept), IsOk());
  ASSERT_EQ(SlotSpace::SlotBytes(expected_->model->unit(Layer(0)).decoded_size_bytes),
            kLayerPages * kSlotPageBytes);
  Fetch(Layer(0));
  // Those that had to go find better places, and stay there.
  for (const uint32_t unit : set.units) Fetch(unit);
  Fetch(Layer(1));
  Fetch(Layer(0));
  EXPECT_TRUE(engine_->core->AbsentOf(set).empty());
}

TEST_F(PinnedPlacesTest, WhatComesLaterLiesAtTheEnd) {
  engine_.emplace(*expected_, SimulationOptions{.slot_bytes = 10 * kSlotPageBytes});
  ASSERT_THAT(engine_->core->Pin(Experts(0, 6), PinReason::kKept), IsOk());
  // The memory is full of others, one of them in use in the middle.
  for (int expert = 6; expert < 12; ++expert) Fetch(Expert(expert));
  const auto leased = engine_->Acquire({.unit_index = Layer(0)});
  ASSERT_TRUE(engine_->RunUntilIdle());
  for (int expert = 0; expert < 6; ++expert) Fetch(Expert(expert));
  engine_->Release(leased);
  for (int pass = 0; pass < 3; ++pass) {
    Fetch(Layer(0));
    Fetch(Layer(1));
    for (int expert = 6; expert < 12; ++expert) Fetch(Expert(expert));
  }
  EXPECT_TRUE(engine_->core->AbsentOf(Experts(0, 6)).empty());
}

// However pins come and go among leases: whoever wants the largest unit gets it, once the leases
// have ended, and all that is pinned can be had at once.
TEST_F(PinnedPlacesTest, TheLargestUnitAlwaysFindsARun) {
  for (uint32_t seed = 0; seed < 30; ++seed) {
    std::mt19937 random(seed);
    engine_.emplace(*expected_, SimulationOptions{.slot_bytes = 10 * kSlotPageBytes});
    std::vector<std::shared_ptr<HeldUnit>> leases;
    for (int step = 0; step < 60; ++step) {
      const int expert = static_cast<int>(random() % 12);
      switch (random() % 4) {
        case 0:
          engine_->core->Pin(Experts(expert, expert + 1), PinReason::kKept).IgnoreError();
          break;
        case 1:
          engine_->core->Unpin(Experts(expert, expert + 1), PinReason::kKept);
          break;
        case 2:
          Fetch(Expert(expert));
          break;
        default:
          if (leases.size() < 3) {
            leases.push_back(engine_->Acquire({.unit_index = Expert(expert)}));
          } else {
            engine_->Release(leases.front());
            leases.erase(leases.begin());
          }
          ASSERT_TRUE(engine_->RunUntilIdle());
      }
    }
    for (const auto& lease : leases) engine_->Release(lease);
    ASSERT_TRUE(engine_->RunUntilIdle());
    Fetch(Layer(0));
    Fetch(Layer(1));
    UnitSet pinned{.tier = Tier::kSlots};
    for (int expert = 0; expert < 12; ++expert) {
      const UnitTotals before = engine_->core->stats().slots.pinned;
      engine_->core->Unpin(Experts(expert, expert + 1), PinReason::kKept);
      if (engine_->core->stats().slots.pinned == before) continue;
      ASSERT_THAT(engine_->core->Pin(Experts(expert, expert + 1), PinReason::kKept), IsOk());
      pinned.units.push_back(Expert(expert));
    }
    for (const uint32_t unit : pinned.units) Fetch(unit);
    Fetch(Layer(1));
    Fetch(Layer(0));
    EXPECT_TRUE(engine_->core->AbsentOf(pinned).empty()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ecf8
