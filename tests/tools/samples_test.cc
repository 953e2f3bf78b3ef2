#include "tools/workloads/samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ecf8 {
namespace {

using ::testing::ElementsAre;

TEST(Samples, QuantilesAreInterpolated) {
  EXPECT_EQ(Quantile({7}, 0.25), 7);
  EXPECT_EQ(Quantile({3, 1, 2}, 0), 1);
  EXPECT_EQ(Quantile({3, 1, 2}, 1), 3);
  EXPECT_EQ(Quantile({10, 20, 30, 40, 50}, 0.25), 20);
  EXPECT_EQ(Quantile({10, 20}, 0.25), 12.5);
}

TEST(Samples, MediansOfOddAndEvenCounts) {
  EXPECT_EQ(Median({5, 1, 3}), 3);
  EXPECT_EQ(Median({4, 1, 3, 2}), 2.5);
}

TEST(Samples, RatiosAreRunByRun) {
  EXPECT_THAT(Ratios({1, 6, 8}, {2, 3, 2}), ElementsAre(0.5, 2, 4));
}

TEST(Samples, RangesHaveMedianLeastAndLargest) { EXPECT_EQ(Range({2, 1, 4}), "2.00 (1.00..4.00)"); }

}  // namespace
}  // namespace ecf8
