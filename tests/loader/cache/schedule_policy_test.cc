#include "loader/cache/schedule_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "loader/cache/simulator/generators.h"
#include "loader/cache/simulator/simulate.h"

namespace ecf8 {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::function<bool(uint64_t)> kAny = [](uint64_t) { return true; };

// A tier around the policy, told of everything as the contract says.
class TierFixture {
 public:
  TierFixture(uint64_t budget_bytes, const std::vector<ModelWalk>& walks)
      : policy(budget_bytes), free_bytes(budget_bytes) {
    for (const ModelWalk& walk : walks) {
      models.push_back(walk);
      policy.AddModel(walk);
    }
  }

  CacheUnit Unit(uint32_t model, uint32_t unit) const {
    const ModelWalk::Unit& entry = models[model].units[unit];
    return {CacheKey(model, unit), entry.size_bytes, entry.layer, entry.expert, model};
  }

  // Whether the unit was held.
  bool Ask(uint32_t model, uint32_t number, Access access = Access::kDemand, bool must = false,
           const std::function<bool(uint64_t)>& can_evict = kAny) {
    const CacheUnit unit = Unit(model, number);
    const bool hit = held.count(unit.key) > 0;
    policy.OnAccess(unit, access, hit);
    victims.clear();
    if (hit) return true;
    const uint64_t missing = unit.size_bytes > free_bytes ? unit.size_bytes - free_bytes : 0;
    if (!policy.Admit(unit, missing, must, can_evict, &victims)) return false;
    for (const uint64_t key : victims) {
      EXPECT_EQ(held.erase(key), 1u);
      free_bytes += Unit(CacheKeyModel(key), CacheKeyUnit(key)).size_bytes;
      policy.OnEvict(key);
    }
    EXPECT_GE(free_bytes, unit.size_bytes);
    free_bytes -= unit.size_bytes;
    held.insert(unit.key);
    policy.OnInsert(unit);
    return false;
  }

  SchedulePolicy policy;
  uint64_t free_bytes;
  std::vector<ModelWalk> models;
  std::set<uint64_t> held;
  std::vector<uint64_t> victims;  // of the last Ask
};

ModelWalk DenseWalk(uint32_t model, const std::vector<uint64_t>& sizes) {
  ModelWalk walk = {model, {}};
  for (const uint64_t size : sizes) {
    walk.units.push_back({size, static_cast<uint32_t>(walk.units.size()), false});
  }
  return walk;
}

// Layers of one dense unit and so many experts.
ModelWalk ExpertWalk(uint32_t model, uint32_t layers, uint32_t experts) {
  ModelWalk walk = {model, {}};
  for (uint32_t layer = 0; layer < layers; ++layer) {
    walk.units.push_back({1, layer, false});
    for (uint32_t i = 0; i < experts; ++i) walk.units.push_back({1, layer, true});
  }
  return walk;
}

TEST(SchedulePolicy, PinsADenseWalkFromTheFirstPassOn) {
  TierFixture tier(4, {DenseWalk(0, std::vector<uint64_t>(10, 1))});
  for (uint32_t i = 0; i < 10; ++i) EXPECT_FALSE(tier.Ask(0, i));
  for (int pass = 0; pass < 5; ++pass) {
    for (uint32_t i = 0; i < 10; ++i) EXPECT_EQ(tier.Ask(0, i), i < 4) << i;
  }
}

TEST(SchedulePolicy, FillsTheRestOfTheBudgetWithWhatFits) {
  TierFixture tier(10, {DenseWalk(0, {6, 6, 3, 2, 1})});
  for (uint32_t i = 0; i < 5; ++i) tier.Ask(0, i);
  EXPECT_THAT(tier.held, ElementsAre(0, 2, 4));
}

TEST(SchedulePolicy, MustEvictsTheDenseUnitWhoseNextUseIsFarthest) {
  TierFixture tier(3, {DenseWalk(0, std::vector<uint64_t>(6, 1))});
  for (uint32_t i = 0; i < 3; ++i) tier.Ask(0, i);
  tier.Ask(0, 3, Access::kDemand, true);
  EXPECT_THAT(tier.victims, ElementsAre(2));  // the one used last
  tier.Ask(0, 4, Access::kDemand, true, [](uint64_t key) { return key != 3; });
  EXPECT_THAT(tier.victims, ElementsAre(1));
}

TEST(SchedulePolicy, MustFailsWhereNothingMayGo) {
  TierFixture tier(3, {DenseWalk(0, std::vector<uint64_t>(6, 1))});
  for (uint32_t i = 0; i < 3; ++i) tier.Ask(0, i);
  tier.Ask(0, 3, Access::kDemand, true, [](uint64_t) { return false; });
  EXPECT_THAT(tier.victims, IsEmpty());
  EXPECT_THAT(tier.held, ElementsAre(0, 1, 2));
}

TEST(SchedulePolicy, NeverAdmitsWhatIsLargerThanTheBudget) {
  TierFixture tier(3, {DenseWalk(0, {4, 1})});
  std::vector<uint64_t> victims;
  EXPECT_FALSE(tier.policy.Admit(tier.Unit(0, 0), 1, true, kAny, &victims));
  EXPECT_THAT(victims, IsEmpty());
}

TEST(SchedulePolicy, DenseUnitsDisplaceExperts) {
  TierFixture tier(4, {ExpertWalk(0, 2, 4)});  // dense: 0 and 5
  for (uint32_t unit : {1, 2, 3, 4}) tier.Ask(0, unit);
  tier.Ask(0, 5);
  EXPECT_TRUE(tier.held.count(5));
  tier.Ask(0, 0);
  EXPECT_TRUE(tier.held.count(0));
  for (uint32_t unit : {6, 7, 8, 9, 1, 2}) tier.Ask(0, unit);
  EXPECT_TRUE(tier.held.count(0) && tier.held.count(5));
}

TEST(SchedulePolicy, ALargeUnitNeedsAllOfItsVictimsToBeWorthLess) {
  // Eight experts against one dense unit of eight times their size.
  ModelWalk walk = {0, {{8, 0, false}}};
  for (int i = 0; i < 16; ++i) walk.units.push_back({1, 0, true});
  TierFixture tier(8, {walk});
  for (uint32_t unit = 1; unit <= 8; ++unit) tier.Ask(0, unit);
  tier.Ask(0, 0);
  EXPECT_EQ(tier.victims.size(), 8u);
  EXPECT_THAT(tier.held, ElementsAre(0));
  // And no expert gets it out again.
  tier.Ask(0, 9);
  EXPECT_THAT(tier.held, ElementsAre(0));
}

TEST(SchedulePolicy, ALargeExpertDoesNotDisplaceManyThatAreUsedMore) {
  // Unit 0 is as large as all others together; those are used by every second token.
  ModelWalk walk = {0, {{8, 0, true}}};
  for (int i = 0; i < 8; ++i) walk.units.push_back({1, 0, true});
  TierFixture tier(8, {walk});
  for (int token = 0; token < 40; ++token) {
    for (uint32_t i = 0; i < 4; ++i) tier.Ask(0, 1 + 2 * i + static_cast<uint32_t>(token % 2));
  }
  ASSERT_EQ(tier.held.size(), 8u);
  tier.Ask(0, 0);
  EXPECT_THAT(tier.victims, IsEmpty());
  EXPECT_EQ(tier.held.size(), 8u);
}

TEST(SchedulePolicy, AHintedExpertComesInAndStaysUntilItIsUsed) {
  TierFixture tier(2, {ExpertWalk(0, 1, 8)});
  for (int token = 0; token < 20; ++token) {
    tier.Ask(0, 1);
    tier.Ask(0, 2);
  }
  EXPECT_THAT(tier.held, ElementsAre(1, 2));
  tier.Ask(0, 7, Access::kHint);
  EXPECT_TRUE(tier.held.count(7));
  tier.Ask(0, 1);
  tier.Ask(0, 2);
  EXPECT_TRUE(tier.held.count(7));
  tier.Ask(0, 7);
  tier.Ask(0, 1);
  tier.Ask(0, 2);
  tier.Ask(0, 1);
  EXPECT_THAT(tier.held, ElementsAre(1, 2));
}

TEST(SchedulePolicy, AHintThatNobodyFollowsEnds) {
  TierFixture tier(2, {ExpertWalk(0, 1, 8)});
  tier.Ask(0, 7, Access::kHint);
  for (int token = 0; token < 20; ++token) {
    tier.Ask(0, 1);
    tier.Ask(0, 2);
  }
  EXPECT_THAT(tier.held, ElementsAre(1, 2));
}

TEST(SchedulePolicy, AHintedDenseUnitTakesThePlaceOfTheOneUsedLast) {
  TierFixture tier(3, {DenseWalk(0, std::vector<uint64_t>(6, 1))});
  for (uint32_t i = 0; i < 3; ++i) tier.Ask(0, i);
  tier.Ask(0, 3, Access::kHint);
  EXPECT_THAT(tier.victims, ElementsAre(2));
  EXPECT_TRUE(tier.Ask(0, 3));
}

TEST(SchedulePolicy, WhatSavesLessGoesFirst) {
  TierFixture tier(3, {DenseWalk(0, std::vector<uint64_t>(6, 1))});
  for (uint32_t i = 0; i < 3; ++i) tier.Ask(0, i);
  tier.policy.SetSaving(CacheKey(0, 0), 0);
  tier.policy.SetSaving(CacheKey(0, 1), 0.5);
  tier.Ask(0, 3);  // its equals stay
  EXPECT_THAT(tier.victims, ElementsAre(0));
  tier.Ask(0, 4);
  EXPECT_THAT(tier.victims, ElementsAre(1));
  tier.Ask(0, 5);
  EXPECT_THAT(tier.held, ElementsAre(2, 3, 4));
  // It counts for what is to come in, too.
  tier.policy.SetSaving(CacheKey(0, 5), 2);
  tier.Ask(0, 5);
  EXPECT_TRUE(tier.held.count(5));
}

TEST(SchedulePolicy, AnExpertThatSavesLessGoesFirstHintedOrNot) {
  TierFixture tier(5, {ExpertWalk(0, 1, 8)});  // dense: 0
  for (uint32_t unit : {0, 1, 2, 3, 4}) tier.Ask(0, unit);
  tier.policy.SetSaving(CacheKey(0, 2), 0.001);
  tier.Ask(0, 2, Access::kHint);
  tier.Ask(0, 5, Access::kDemand, true);
  EXPECT_THAT(tier.victims, ElementsAre(2));
  tier.policy.SetSaving(CacheKey(0, 3), 0.001);
  tier.policy.SetSaving(CacheKey(0, 3), 1);
  tier.policy.SetSaving(CacheKey(0, 4), 0.5);
  tier.Ask(0, 6, Access::kDemand, true);
  EXPECT_THAT(tier.victims, ElementsAre(4));
}

TEST(SchedulePolicy, AnIdleModelGivesWay) {
  TierFixture tier(
      8, {DenseWalk(0, std::vector<uint64_t>(8, 1)), DenseWalk(1, std::vector<uint64_t>(8, 1))});
  for (int pass = 0; pass < 10; ++pass) {
    for (uint32_t i = 0; i < 8; ++i) tier.Ask(0, i);
  }
  for (int pass = 0; pass < 3; ++pass) {
    for (uint32_t i = 0; i < 8; ++i) tier.Ask(1, i);
  }
  for (uint32_t i = 0; i < 8; ++i) EXPECT_TRUE(tier.Ask(1, i)) << i;
}

TEST(SchedulePolicy, APreloadTakesThePlaceOfAnIdleModelOnly) {
  TierFixture tier(
      4, {DenseWalk(0, std::vector<uint64_t>(4, 1)), DenseWalk(1, std::vector<uint64_t>(4, 1)),
          DenseWalk(2, std::vector<uint64_t>(4, 1))});
  for (int pass = 0; pass < 10; ++pass) {
    for (uint32_t i = 0; i < 4; ++i) tier.Ask(0, i);
  }
  tier.Ask(1, 0, Access::kPreload);
  EXPECT_FALSE(tier.held.count(CacheKey(1, 0)));
  for (int pass = 0; pass < 10; ++pass) tier.Ask(2, 0, Access::kDemand);
  tier.Ask(1, 0, Access::kPreload);
  EXPECT_TRUE(tier.held.count(CacheKey(1, 0)));
}

TEST(SchedulePolicy, AModelMayGoAndItsNumberComeBack) {
  TierFixture tier(4, {DenseWalk(0, {1, 1, 1, 1})});
  for (uint32_t i = 0; i < 4; ++i) tier.Ask(0, i);
  for (uint32_t i = 0; i < 4; ++i) tier.policy.OnEvict(i);
  tier.policy.RemoveModel(0);
  tier.held.clear();
  tier.free_bytes = 4;
  tier.models[0] = DenseWalk(0, {2, 2, 2});
  tier.policy.AddModel(tier.models[0]);
  for (uint32_t i = 0; i < 3; ++i) tier.Ask(0, i);
  EXPECT_THAT(tier.held, ElementsAre(0, 1));
}

TEST(SchedulePolicy, AnswersDependOnTheCallsOnly) {
  const Trace trace = GenerateExpertTrace({4, 64, 4, 1, 3}, {}, 100, 9).trace;
  const auto run = [&trace] {
    SchedulePolicy policy(80);
    return Simulate(trace, 80, policy).hits;
  };
  EXPECT_EQ(run(), run());
}

TEST(SchedulePolicy, LearnedHeatMakesAFreshPolicyHitAtOnce) {
  const ExpertShape shape = {4, 256, 8, 1, 0};
  const Trace trace = GenerateExpertTrace(shape, {}, 1000, 3).trace;
  const uint64_t budget = 4 * 32;
  SchedulePolicy taught(budget);
  Simulate(trace, budget, taught);
  const std::vector<float> heat = taught.ExportHeat(0);
  ASSERT_EQ(heat.size(), trace.models[0].units.size());

  Trace later = trace;  // the last 30 tokens, as if after a restart
  later.records.erase(later.records.begin(), later.records.end() - 30 * 4 * 8);
  // Simulate announces the model itself; the heat comes with the announcement.
  class Warm : public SchedulePolicy {
   public:
    Warm(uint64_t budget_bytes, const std::vector<float>& heat)
        : SchedulePolicy(budget_bytes), heat_(heat) {}
    void AddModel(const ModelWalk& walk) override {
      SchedulePolicy::AddModel(walk);
      ImportHeat(walk.model, heat_);
    }

   private:
    const std::vector<float>& heat_;
  };
  SchedulePolicy cold(budget);
  Warm warm(budget, heat);
  const double cold_rate = Simulate(later, budget, cold).hit_rate();
  const double warm_rate = Simulate(later, budget, warm).hit_rate();
  EXPECT_GT(warm_rate, cold_rate + 0.03);
}

}  // namespace
}  // namespace ecf8
