#include "tools/ecf8/bench_samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ecf8 {
namespace {

TEST(BenchSamples, MedianOfOddAndEvenNumbers) {
  EXPECT_EQ(Median({3}), 3);
  EXPECT_EQ(Median({9, 1, 4}), 4);
  EXPECT_EQ(Median({8, 1, 4, 2}), 3);
}

TEST(BenchSamples, RatiosAreRunByRun) {
  EXPECT_THAT(Ratios({2, 9}, {4, 3}), ::testing::ElementsAre(0.5, 3));
}

TEST(BenchSamples, SpreadIsTheLeastAndTheGreatest) {
  EXPECT_EQ(SpreadText({5.114, 5.39, 6}), "5.39 (5.11..6.00)");
}

}  // namespace
}  // namespace ecf8
