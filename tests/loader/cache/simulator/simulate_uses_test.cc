#include "loader/cache/simulator/simulate_uses.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

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
    return SimulateUses(events, Tier(slots, slot_policy_.get()), Tier(host, host_policy_.get()));
  }

  static TierSetup Tier(uint64_t budget_bytes, CachePolicy* policy) {
    TierSetup tier{.models = {{}}, .budget_bytes = budget_bytes, .policy = policy};
    for (uint32_t i = 0; i < 8; ++i) {
      tier.models[0].units.push_back(
          {.id = std::to_string(i), .stored_size_bytes = 1, .decoded_size_bytes = 1, .layer = i});
    }
    return tier;
  }

  static void Use(uint32_t unit, std::vector<UseEvent>* events) {
    for (const Kind kind : {Kind::kDemand, Kind::kReady, Kind::kReleased}) {
      events->push_back({kind, unit});
    }
  }

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

}  // namespace
}  // namespace ecf8
