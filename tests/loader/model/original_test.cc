#include "loader/model/original.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

Original Keep(const std::string& bytes) {
  auto original = DeflateOriginal(Original::Kind::kFile, "some/config.json", bytes);
  EXPECT_THAT(original, IsOk());
  return *std::move(original);
}

TEST(OriginalTest, ComesBackAsItWas) {
  for (const std::string& bytes :
       {std::string(), std::string(1, '\0'), std::string(100'000, 'x')}) {
    const auto inflated = InflateOriginal(Keep(bytes));
    ASSERT_THAT(inflated, IsOk());
    EXPECT_EQ(*inflated, bytes);
  }
}

TEST(OriginalTest, AnyDamageIsNoticed) {
  const Original whole = Keep("a file of some length, a file of some length");
  for (size_t bit = 0; bit < whole.zlib.size() * 8; ++bit) {
    Original damaged = whole;
    damaged.zlib[bit / 8] = static_cast<char>(damaged.zlib[bit / 8] ^ 1 << bit % 8);
    const auto inflated = InflateOriginal(damaged);
    // Some bits of a zlib stream mean nothing: then the bytes must be right.
    if (inflated.ok()) {
      EXPECT_EQ(*inflated, *InflateOriginal(whole)) << bit;
    } else {
      EXPECT_THAT(inflated, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("some/config.json")));
    }
  }
}

TEST(OriginalTest, LiesAboutTheSizeAreNoticed) {
  Original original = Keep(std::string(5000, 'x'));
  for (const uint64_t size : {uint64_t{0}, uint64_t{4999}, uint64_t{5001}, kMaxOriginalBytes}) {
    original.size_bytes = size;
    EXPECT_THAT(InflateOriginal(original), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("")));
  }
  original.size_bytes = ~uint64_t{0};
  EXPECT_THAT(InflateOriginal(original), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("large")));
}

TEST(OriginalTest, WhatFollowsTheStreamIsNoticed) {
  Original original = Keep("text");
  original.zlib += '\0';
  EXPECT_FALSE(InflateOriginal(original).ok());
  original.zlib.clear();
  EXPECT_FALSE(InflateOriginal(original).ok());
}

TEST(OriginalTest, HeadOfASafetensorsFile) {
  EXPECT_EQ(SafetensorsHead("{}"), std::string("\2\0\0\0\0\0\0\0{}", 10));
}

}  // namespace
}  // namespace ecf8
