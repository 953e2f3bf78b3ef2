#include "loader/cache/simulator/peers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "loader/cache/simulator/simulate.h"

namespace ecf8 {
namespace {

Trace TraceOf(const std::vector<uint32_t>& units, uint32_t unit_count) {
  Trace trace;
  trace.models.push_back({1, {}});
  for (uint32_t i = 0; i < unit_count; ++i) {
    trace.models[0].units.push_back({absl::StrCat("u", i), 1, 1, 0, true});
  }
  for (const uint32_t unit : units) {
    trace.records.push_back({trace.records.size(), unit, 0, Access::kDemand});
  }
  return trace;
}

std::vector<uint32_t> RandomUnits(uint32_t count, uint32_t unit_count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint32_t> units;
  for (uint32_t i = 0; i < count; ++i) {
    units.push_back(std::min(random() % unit_count, random() % unit_count));
  }
  return units;
}

uint64_t HitsOf(const Trace& trace, uint64_t budget, CachePolicy& policy) {
  return Simulate(trace, budget, policy).hits;
}

TEST(Lru, EvictsWhatWasUsedLongestAgo) {
  auto lru = MakeLruPolicy();
  // 0 is used again before 1 must go.
  EXPECT_EQ(HitsOf(TraceOf({0, 1, 0, 2, 0, 1}, 3), 2, *lru), 2u);
}

TEST(Lru, AsASimpleListDoes) {
  const std::vector<uint32_t> units = RandomUnits(2000, 40, 1);
  for (const size_t capacity : {1, 2, 7, 20, 39, 40}) {
    uint64_t hits = 0;
    std::vector<uint32_t> list;  // the oldest first
    for (const uint32_t unit : units) {
      const auto found = std::find(list.begin(), list.end(), unit);
      if (found != list.end()) {
        ++hits;
        list.erase(found);
      } else if (list.size() == capacity) {
        list.erase(list.begin());
      }
      list.push_back(unit);
    }
    auto lru = MakeLruPolicy();
    EXPECT_EQ(HitsOf(TraceOf(units, 40), capacity, *lru), hits) << capacity;
  }
}

TEST(Lfu, AsASimpleTableDoes) {
  const std::vector<uint32_t> units = RandomUnits(2000, 40, 2);
  for (const size_t capacity : {1, 2, 7, 20, 39, 40}) {
    uint64_t hits = 0;
    std::map<uint32_t, std::pair<int, size_t>> uses;  // count, last
    std::set<uint32_t> held;
    for (size_t i = 0; i < units.size(); ++i) {
      uses[units[i]] = {uses[units[i]].first + 1, i};
      if (held.count(units[i]) > 0) {
        ++hits;
        continue;
      }
      if (held.size() == capacity) {
        held.erase(*std::min_element(held.begin(), held.end(), [&uses](uint32_t a, uint32_t b) {
          return uses[a] < uses[b];
        }));
      }
      held.insert(units[i]);
    }
    auto lfu = MakeLfuPolicy();
    EXPECT_EQ(HitsOf(TraceOf(units, 40), capacity, *lfu), hits) << capacity;
  }
}

TEST(S3Fifo, OneTimersLeaveTheSmallQueueAndWhatReturnsIsKept) {
  // 0 to 4 are used three times each, then come thirty units that nobody uses again.
  std::vector<uint32_t> units;
  for (int round = 0; round < 3; ++round) {
    for (uint32_t i = 0; i < 5; ++i) units.push_back(i);
  }
  for (uint32_t i = 5; i < 35; ++i) units.push_back(i);
  const size_t before = units.size();
  for (uint32_t i = 0; i < 5; ++i) units.push_back(i);
  auto s3 = MakeS3FifoPolicy(10);
  auto lru = MakeLruPolicy();
  EXPECT_EQ(HitsOf(TraceOf(units, 35), 10, *s3), before - 30 - 5 + 5);
  EXPECT_EQ(HitsOf(TraceOf(units, 35), 10, *lru), before - 30 - 5);
}

TEST(S3Fifo, TheGhostQueueSendsToTheMainOne) {
  // Capacity 10: the small queue holds one unit. 0 leaves it, comes back by the ghost queue and so
  // survives the next units of one use.
  std::vector<uint32_t> units;
  for (uint32_t i = 0; i <= 10; ++i) units.push_back(i);  // 0 is out and remembered
  units.push_back(0);
  for (uint32_t i = 11; i < 23; ++i) units.push_back(i);
  units.push_back(0);
  auto s3 = MakeS3FifoPolicy(10);
  EXPECT_EQ(HitsOf(TraceOf(units, 23), 10, *s3), 1u);
}

// The most hits that any sequence of decisions has, bypass allowed.
uint64_t BestHits(const std::vector<uint32_t>& units, size_t capacity) {
  std::map<std::set<uint32_t>, uint64_t> states = {{{}, 0}};  // what is held: hits so far
  for (const uint32_t unit : units) {
    std::map<std::set<uint32_t>, uint64_t> next;
    const auto reach = [&next](const std::set<uint32_t>& held, uint64_t hits) {
      uint64_t& best = next[held];
      best = std::max(best, hits);
    };
    for (const auto& [held, hits] : states) {
      if (held.count(unit) > 0) {
        reach(held, hits + 1);
        continue;
      }
      reach(held, hits);
      std::set<uint32_t> with = held;
      with.insert(unit);
      if (with.size() <= capacity) {
        reach(with, hits);
        continue;
      }
      for (const uint32_t victim : held) {
        std::set<uint32_t> swapped = with;
        swapped.erase(victim);
        reach(swapped, hits);
      }
    }
    states = std::move(next);
  }
  uint64_t best = 0;
  for (const auto& [held, hits] : states) best = std::max(best, hits);
  return best;
}

TEST(Belady, IsTheBestThatAnyoneCanDo) {
  for (uint32_t seed = 0; seed < 30; ++seed) {
    const std::vector<uint32_t> units = RandomUnits(40, 7, seed);
    const Trace trace = TraceOf(units, 7);
    for (const size_t capacity : {1, 2, 3, 5}) {
      auto belady = MakeBeladyPolicy(trace);
      EXPECT_EQ(HitsOf(trace, capacity, *belady), BestHits(units, capacity)) << seed;
    }
  }
}

TEST(Simulate, CountsDemandsAndBytes) {
  Trace trace = TraceOf({0, 1, 0}, 3);
  trace.models[0].units[0].stored_size_bytes = 10;
  auto lru = MakeLruPolicy();
  const SimulationResult result = Simulate(trace, 11, *lru);
  EXPECT_EQ(result.demands, 3u);
  EXPECT_EQ(result.hits, 1u);
  EXPECT_EQ(result.demanded_bytes, 21u);
  EXPECT_EQ(result.hit_bytes, 10u);
  EXPECT_EQ(SimulationResult().hit_rate(), 0);
}

// The demand finds what its hint has brought, but that was read for it; the next one costs nothing,
// hinted or not.
TEST(Simulate, AHintedDemandIsAHitIfTheHintWas) {
  Trace trace = TraceOf({0, 0, 1, 0, 0, 0}, 2);
  trace.records[0].access = Access::kHint;
  trace.records[3].access = Access::kHint;
  auto lru = MakeLruPolicy();
  const SimulationResult result = Simulate(trace, 2, *lru);
  EXPECT_EQ(result.demands, 4u);
  EXPECT_EQ(result.hits, 2u);
}

// What a hint found may be gone when its demand comes.
TEST(Simulate, AHintKeepsNothing) {
  Trace trace = TraceOf({0, 0, 1, 0}, 2);
  trace.records[1].access = Access::kHint;
  auto lru = MakeLruPolicy();
  EXPECT_EQ(Simulate(trace, 1, *lru).hits, 0u);
}

TEST(Simulate, AUnitLargerThanTheTierPassesBy) {
  Trace trace = TraceOf({0, 1, 0, 1}, 2);
  trace.models[0].units[0].stored_size_bytes = 10;
  auto lru = MakeLruPolicy();
  EXPECT_EQ(HitsOf(trace, 5, *lru), 1u);
}

}  // namespace
}  // namespace ecf8
