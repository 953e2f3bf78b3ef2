#include "loader/memory/frame_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

namespace ecf8 {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

TEST(FrameMapTest, GivesOneRunAndTakesItBack) {
  FrameMap map(10);
  EXPECT_THAT(map.Allocate(4), Optional(ElementsAre(FrameRun{0, 4})));
  EXPECT_EQ(map.free_count(), 6);
  EXPECT_THAT(map.Allocate(6), Optional(ElementsAre(FrameRun{4, 6})));
  EXPECT_EQ(map.free_count(), 0);
  EXPECT_EQ(map.largest_run(), 0);
  EXPECT_EQ(map.Allocate(1), std::nullopt);
  map.Free({0, 4});
  map.Free({4, 6});
  EXPECT_EQ(map.run_count(), 1);
  EXPECT_EQ(map.largest_run(), 10);
}

TEST(FrameMapTest, NothingIsAnAllocationToo) {
  FrameMap empty(0);
  EXPECT_THAT(empty.Allocate(0), Optional(ElementsAre()));
  EXPECT_EQ(empty.Allocate(1), std::nullopt);
}

// Free: 0..1, 3..7, 9..11 of 12.
FrameMap WithThreeRuns() {
  FrameMap map(12);
  map.Allocate(12);
  map.Free({0, 2});
  map.Free({3, 5});
  map.Free({9, 3});
  return map;
}

TEST(FrameMapTest, TakesTheSmallestRunThatHoldsAll) {
  EXPECT_THAT(WithThreeRuns().Allocate(1), Optional(ElementsAre(FrameRun{0, 1})));
  EXPECT_THAT(WithThreeRuns().Allocate(3), Optional(ElementsAre(FrameRun{9, 3})));
  EXPECT_THAT(WithThreeRuns().Allocate(4), Optional(ElementsAre(FrameRun{3, 4})));
}

TEST(FrameMapTest, ElseTheLargestAndTheSmallestForTheRest) {
  EXPECT_THAT(WithThreeRuns().Allocate(6), Optional(ElementsAre(FrameRun{3, 5}, FrameRun{0, 1})));
  EXPECT_THAT(WithThreeRuns().Allocate(8), Optional(ElementsAre(FrameRun{3, 5}, FrameRun{9, 3})));
  EXPECT_THAT(WithThreeRuns().Allocate(10),
              Optional(ElementsAre(FrameRun{3, 5}, FrameRun{9, 3}, FrameRun{0, 2})));
  FrameMap map = WithThreeRuns();
  EXPECT_EQ(map.Allocate(11), std::nullopt);
  EXPECT_EQ(map.free_count(), 10);
  EXPECT_EQ(map.run_count(), 3);
}

TEST(FrameMapTest, FreeNeighboursJoinOnBothSides) {
  FrameMap map = WithThreeRuns();
  map.Free({8, 1});
  EXPECT_EQ(map.run_count(), 2);
  EXPECT_EQ(map.largest_run(), 9);
  map.Free({2, 1});
  EXPECT_EQ(map.run_count(), 1);
  EXPECT_EQ(map.largest_run(), 12);
}

TEST(FrameMapTest, TakesJustTheFramesThatAreNamed) {
  FrameMap map = WithThreeRuns();
  for (const FrameRun run : {FrameRun{2, 1}, FrameRun{0, 3}, FrameRun{2, 2}, FrameRun{7, 2},
                             FrameRun{10, 3}, FrameRun{12, 1}, FrameRun{9, UINT64_MAX}}) {
    EXPECT_FALSE(map.AllocateRun(run)) << run.first;
  }
  EXPECT_EQ(map.free_count(), 10);
  EXPECT_TRUE(map.AllocateRun({5, 0}));
  EXPECT_TRUE(map.AllocateRun({4, 2}));   // of the middle
  EXPECT_TRUE(map.AllocateRun({0, 2}));   // a whole run
  EXPECT_TRUE(map.AllocateRun({9, 1}));   // a beginning
  EXPECT_TRUE(map.AllocateRun({11, 1}));  // an end
  EXPECT_FALSE(map.AllocateRun({4, 1}));
  EXPECT_EQ(map.free_count(), 4);
  EXPECT_THAT(map.Allocate(4),
              Optional(ElementsAre(FrameRun{6, 2}, FrameRun{10, 1}, FrameRun{3, 1})));
}

// Every frame has one owner at a time, and none is lost, whatever the order.
TEST(FrameMapTest, RandomUseLosesAndDoublesNothing) {
  constexpr uint64_t kFrames = 200;
  std::mt19937 random(3);
  FrameMap map(kFrames);
  std::vector<int> owners(kFrames, 0);
  std::vector<FrameRuns> held;
  for (int step = 0; step < 20'000; ++step) {
    const uint64_t count = random() % 40;
    const uint64_t taken = static_cast<uint64_t>(std::accumulate(owners.begin(), owners.end(), 0));
    ASSERT_EQ(map.free_count(), kFrames - taken);
    std::optional<FrameRuns> runs;
    const uint64_t place = random() % (kFrames - count);
    const auto first = owners.begin() + static_cast<int64_t>(place);
    if (random() % 2 == 0) {
      runs = map.Allocate(count);
    } else if (count > 0 && std::count(first, first + static_cast<int64_t>(count), 1) == 0) {
      ASSERT_TRUE(map.AllocateRun({place, count}));
      runs = FrameRuns{{place, count}};
    }
    if (runs.has_value()) {
      uint64_t got = 0;
      for (const FrameRun& run : *runs) {
        got += run.count;
        for (uint64_t i = run.first; i < run.first + run.count; ++i) ASSERT_EQ(owners[i]++, 0);
      }
      ASSERT_EQ(got, count);
      held.push_back(*std::move(runs));
    } else if (!held.empty()) {
      std::swap(held[random() % held.size()], held.back());
      for (const FrameRun& run : held.back()) {
        map.Free(run);
        for (uint64_t i = run.first; i < run.first + run.count; ++i) owners[i] = 0;
      }
      held.pop_back();
    }
  }
  for (const FrameRuns& runs : held) {
    for (const FrameRun& run : runs) map.Free(run);
  }
  EXPECT_EQ(map.largest_run(), kFrames);
}

#ifndef NDEBUG
TEST(FrameMapDeathTest, FreeingTwiceIsABug) {
  FrameMap map(10);
  map.Allocate(10);
  map.Free({3, 2});
  EXPECT_DEATH(map.Free({3, 2}), "");
  EXPECT_DEATH(map.Free({2, 2}), "");
  EXPECT_DEATH(map.Free({4, 2}), "");
  EXPECT_DEATH(map.Free({9, 2}), "");
  EXPECT_DEATH(map.Free({5, 0}), "");
}
#endif

}  // namespace
}  // namespace ecf8
