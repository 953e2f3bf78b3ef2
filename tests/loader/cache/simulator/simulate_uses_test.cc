#include "loader/cache/simulator/simulate_uses.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "loader/cache/schedule_policy.h"
#include "loader/cache/simulator/peers.h"

namespace ecf8 {
namespace {

using Kind = UseEvent::Kind;

// Units of one byte, in both tiers; LRU shows most clearly what may be evicted.
class SimulateUsesTest : public ::testing::Test {
 protected:
  UseCounts Simulate(const std::vector<UseEvent>& events, uint64_t slots, uint64_t host) {
    slot_policy_ = MakeLruPolicy();
    host_policy_ = MakeLruPolicy();
    return SimulateUses(events, MakeSetup(slots, host));
  }

  UseSetup MakeSetup(uint64_t slots, uint64_t host) const {
    UseSetup setup;
    for (uint32_t i = 0; i < kUnits; ++i) {
      setup.model.units.push_back(
          {.id = std::to_string(i), .stored_size_bytes = 1, .decoded_size_bytes = 1, .layer = i});
    }
    const std::vector<uint64_t> unit_bytes(kUnits, 1);
    setup.slots = {unit_bytes, slots, slot_policy_.get()};
    setup.host = {unit_bytes, host, host_policy_.get()};
    return setup;
  }

  static void Use(uint32_t unit, std::vector<UseEvent>* events) {
    for (const Kind kind : {Kind::kDemand, Kind::kReady, Kind::kReleased}) {
      events->push_back({kind, unit});
    }
  }

  static constexpr uint32_t kUnits = 8;

  std::unique_ptr<CachePolicy> slot_policy_, host_policy_;
};

TEST_F(SimulateUsesTest, TheHostIsAskedForWhatIsNotInASlot) {
  std::vector<UseEvent> events;
  for (const uint32_t unit : {0, 1, 0, 1, 1}) Use(unit, &events);
  const UseCounts counts = Simulate(events, 1, 2);
  EXPECT_EQ(counts.uses, 5u);
  EXPECT_EQ(counts.slot_hits, 1u);  // the last
  EXPECT_EQ(counts.host_hits, 2u);
}

TEST_F(SimulateUsesTest, WhatIsInUseStays) {
  std::vector<UseEvent> events = {{Kind::kDemand, 0}, {Kind::kReady, 0}};
  Use(1, &events);
  Use(2, &events);  // instead of 1, though 0 was used longer ago
  events.push_back({Kind::kReleased, 0});
  Use(0, &events);
  Use(1, &events);
  const UseCounts counts = Simulate(events, 2, 8);
  EXPECT_EQ(counts.uses, 5u);
  EXPECT_EQ(counts.slot_hits, 1u);  // 0
  EXPECT_EQ(counts.host_hits, 1u);  // 1
}

TEST_F(SimulateUsesTest, StoredBytesAreInUseUntilTheyAreDecoded) {
  // While 0 is decoded, 1 finds no place; afterwards 2 takes it, though nothing is given back.
  const std::vector<UseEvent> events = {{Kind::kDemand, 0}, {Kind::kDemand, 1}, {Kind::kReady, 0},
                                        {Kind::kReady, 1},  {Kind::kDemand, 2}, {Kind::kReady, 2}};
  const auto is_held = [&](uint32_t unit) {
    std::vector<UseEvent> more = events;
    more.push_back({Kind::kDemand, unit});
    return Simulate(more, /*slots=*/0, /*host=*/1).host_hits == 1;
  };
  EXPECT_FALSE(is_held(0));
  EXPECT_FALSE(is_held(1));
  EXPECT_TRUE(is_held(2));
}

TEST_F(SimulateUsesTest, AHintAndItsDemandAreOneUse) {
  const std::vector<UseEvent> once = {
      {Kind::kHint, 0}, {Kind::kRaise, 0}, {Kind::kReady, 0}, {Kind::kReleased, 0}};
  EXPECT_EQ(Simulate(once, 1, 1).uses, 1u);
  EXPECT_EQ(Simulate(once, 1, 1).slot_hits, 0u);
  std::vector<UseEvent> twice = once;
  twice.insert(twice.end(), once.begin(), once.end());
  EXPECT_EQ(Simulate(twice, 1, 1).uses, 2u);
  EXPECT_EQ(Simulate(twice, 1, 1).slot_hits, 1u);
}

// As ASlotIsWorthMoreToWhatIsStoredNowhere of the engine, whose tiers these are.
TEST_F(SimulateUsesTest, ASlotIsWorthMoreToWhatTheHostDoesNotHold) {
  const auto slot_hits = [&](const FormCosts& costs) {
    slot_policy_ = MakeSchedulePolicy(2);
    host_policy_ = MakeSchedulePolicy(1);
    UseSetup setup = MakeSetup(/*slots=*/2, /*host=*/1);
    setup.costs = costs;
    std::vector<UseEvent> events;
    // 1 is in host memory, too: 2 takes its slot, and not that of 0, which was used last.
    for (const uint32_t unit : {0, 1, 0, 2, 0}) Use(unit, &events);
    return SimulateUses(events, setup).slot_hits;
  };
  EXPECT_EQ(slot_hits({.read_seconds_per_stored_byte = 1}), 2u);
  EXPECT_EQ(slot_hits({}), 1u) << "of equals the one that was used last goes";
}

}  // namespace
}  // namespace ecf8
