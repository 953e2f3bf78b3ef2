#include "loader/serve/byte_rate.h"

#include <gtest/gtest.h>

namespace ecf8 {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

TEST(ByteRateTest, TheNextWaitsForWhatTheLastHasTaken) {
  ByteRate rate(1000);
  EXPECT_EQ(rate.free_at_ns(), 0);
  rate.Take(500, 10 * kSecond);
  EXPECT_EQ(rate.free_at_ns(), 10 * kSecond + kSecond / 2);
  rate.Take(2000, rate.free_at_ns());
  EXPECT_EQ(rate.free_at_ns(), 12 * kSecond + kSecond / 2);
  // Taken too early it is paid for all the same.
  rate.Take(1000, 12 * kSecond);
  EXPECT_EQ(rate.free_at_ns(), 13 * kSecond + kSecond / 2);
}

TEST(ByteRateTest, APauseIsNotSavedUp) {
  ByteRate rate(1000);
  rate.Take(1000, kSecond);
  rate.Take(1000, 100 * kSecond);
  EXPECT_EQ(rate.free_at_ns(), 101 * kSecond);
}

TEST(ByteRateTest, WithoutALimitItIsAlwaysFree) {
  ByteRate rate(0);
  rate.Take(UINT64_MAX, 5 * kSecond);
  EXPECT_EQ(rate.free_at_ns(), 0);
}

TEST(ByteRateTest, NothingOverflows) {
  ByteRate rate(1);
  rate.Take(UINT64_MAX, 5 * kSecond);
  const int64_t end = rate.free_at_ns();
  EXPECT_GT(end, int64_t{3'000'000'000} * kSecond);
  rate.Take(UINT64_MAX, 5 * kSecond);
  EXPECT_EQ(rate.free_at_ns(), end);
}

}  // namespace
}  // namespace ecf8
