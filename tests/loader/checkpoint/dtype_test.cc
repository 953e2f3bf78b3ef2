#include "loader/checkpoint/dtype.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string>

namespace ecf8 {
namespace {

constexpr uint64_t kHuge = uint64_t{1} << 63;

TEST(DType, NamesAndNumbersGoBothWays) {
  std::set<std::string> names;
  for (int number = 1; number <= 20; ++number) {
    const std::optional<DType> dtype = DTypeFromNumber(number);
    ASSERT_TRUE(dtype.has_value()) << number;
    EXPECT_EQ(static_cast<int>(*dtype), number);
    EXPECT_EQ(ParseDType(DTypeName(*dtype)), dtype);
    names.insert(std::string(DTypeName(*dtype)));
  }
  EXPECT_EQ(names.size(), 20u);
  EXPECT_FALSE(DTypeFromNumber(0).has_value());
  EXPECT_FALSE(DTypeFromNumber(-1).has_value());
  EXPECT_FALSE(DTypeFromNumber(21).has_value());
  EXPECT_FALSE(DTypeFromNumber(257).has_value());
  EXPECT_EQ(ParseDType("F8_E4M3"), DType::kF8E4M3);
  EXPECT_EQ(ParseDType("F8_E5M2"), DType::kF8E5M2);
  EXPECT_FALSE(ParseDType("f32").has_value());
  EXPECT_FALSE(ParseDType("").has_value());
  EXPECT_FALSE(ParseDType("F8_E4M3FNUZ").has_value());
}

TEST(DType, Sizes) {
  EXPECT_EQ(TensorSizeBytes(DType::kF32, {}), 4u);  // a scalar
  EXPECT_EQ(TensorSizeBytes(DType::kF8E4M3, {3, 5}), 15u);
  EXPECT_EQ(TensorSizeBytes(DType::kBF16, {7, 11, 13}), 2002u);
  EXPECT_EQ(TensorSizeBytes(DType::kC64, {2}), 16u);
  EXPECT_EQ(TensorSizeBytes(DType::kBF16, {5, 0}), 0u);
  EXPECT_EQ(TensorSizeBytes(DType::kF4, {2, 3}), 3u);
  EXPECT_FALSE(TensorSizeBytes(DType::kF4, {3}).has_value());
  EXPECT_EQ(TensorSizeBytes(DType::kF6E2M3, {4}), 3u);
  EXPECT_EQ(TensorSizeBytes(DType::kF6E3M2, {12}), 9u);
  EXPECT_FALSE(TensorSizeBytes(DType::kF6E2M3, {2}).has_value());
}

TEST(DType, SizesThatOverflow) {
  EXPECT_EQ(TensorSizeBytes(DType::kU8, {kHuge - 1}), kHuge - 1);
  EXPECT_FALSE(TensorSizeBytes(DType::kU8, {kHuge}).has_value());
  EXPECT_FALSE(TensorSizeBytes(DType::kBF16, {kHuge / 2}).has_value());
  EXPECT_FALSE(TensorSizeBytes(DType::kF64, {kHuge, kHuge, kHuge}).has_value());
  // 2^32 * 2^32 is 0 in 64 bits.
  EXPECT_FALSE(TensorSizeBytes(DType::kU8, {uint64_t{1} << 32, uint64_t{1} << 32}).has_value());
  EXPECT_FALSE(TensorSizeBytes(DType::kF64, {uint64_t{1} << 61}).has_value());
  EXPECT_FALSE(TensorSizeBytes(DType::kU8, {std::numeric_limits<uint64_t>::max(), 2}).has_value());
  EXPECT_EQ(TensorSizeBytes(DType::kF4, {kHuge}), kHuge / 2);
  // Whatever else: with a 0 it is empty.
  EXPECT_EQ(TensorSizeBytes(DType::kF64, {kHuge, kHuge, kHuge, 0}), 0u);
}

}  // namespace
}  // namespace ecf8
