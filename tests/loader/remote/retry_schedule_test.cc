#include "loader/remote/retry_schedule.h"

#include <gtest/gtest.h>

#include <set>

namespace ecf8 {
namespace {

constexpr RetryOptions kOptions = {.attempts = 6,
                                   .budget = 100,
                                   .first_ms = 100,
                                   .longest_ms = 500,
                                   .longest_retry_after_ms = 9000};

TEST(RetrySchedule, WaitsTwiceAsLongEachTimeAndNeverAlike) {
  RetrySchedule schedule(kOptions, 1);
  const int64_t longest[] = {100, 200, 400, 500, 500};
  std::set<int64_t> first;
  for (int run = 0; run < 10; ++run) {
    for (int failures = 1; failures <= 5; ++failures) {
      const auto delay = schedule.DelayMs(failures, std::nullopt);
      ASSERT_TRUE(delay.has_value()) << run << " " << failures;
      EXPECT_GE(*delay, longest[failures - 1] / 2);
      EXPECT_LE(*delay, longest[failures - 1]);
      if (failures == 1) first.insert(*delay);
    }
  }
  EXPECT_GT(first.size(), 3u);
}

TEST(RetrySchedule, EndsWithARequestsAttempts) {
  RetrySchedule schedule(kOptions, 1);
  EXPECT_TRUE(schedule.DelayMs(5, std::nullopt));
  EXPECT_FALSE(schedule.DelayMs(6, std::nullopt));
}

TEST(RetrySchedule, EndsWithTheBudgetOfAll) {
  RetrySchedule schedule(kOptions, 1);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(schedule.DelayMs(1, std::nullopt));
  EXPECT_FALSE(schedule.DelayMs(1, std::nullopt));
  EXPECT_EQ(schedule.retries(), 100);
}

TEST(RetrySchedule, DoesAsTheServerAsks) {
  RetrySchedule schedule(kOptions, 1);
  EXPECT_EQ(schedule.DelayMs(1, 5000), 5000);
  EXPECT_LE(*schedule.DelayMs(1, 0), 100);
  EXPECT_FALSE(schedule.DelayMs(1, 9001)) << "that is a refusal";
}

}  // namespace
}  // namespace ecf8
