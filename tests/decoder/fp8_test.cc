#include "decoder/fp8.h"

#include <cstdint>

#include "gtest/gtest.h"
#include "tests/decoder/weight_samples.h"

namespace ecf8 {
namespace {

using E4M3 = Fp8Traits<Codec::kE4M3>;
using E5M2 = Fp8Traits<Codec::kE5M2>;

template <typename Traits>
void ExpectMergeInvertsSplit(uint64_t seed) {
  TestRandom random(seed);
  for (int i = 0; i < 10'000; ++i) {
    const LaneWeights weights = {random.Next(), random.Next()};
    const LaneWeights merged = Traits::Merge(Traits::Exponents(weights), Traits::Raw(weights));
    ASSERT_EQ(merged.low, weights.low);
    ASSERT_EQ(merged.high, weights.high);
  }
}

TEST(Fp8Test, E4M3MergeInvertsSplit) { ExpectMergeInvertsSplit<E4M3>(1); }
TEST(Fp8Test, E5M2MergeInvertsSplit) { ExpectMergeInvertsSplit<E5M2>(2); }

TEST(Fp8Test, E4M3RawBitsLieWhereTheFormatSays) {
  static_assert(E4M3::Raw({0x87, 0}) == 0x87);
  static_assert(E4M3::Raw({0x78, 0x78}) == 0);
  static_assert(E4M3::Raw({0, 0x80}) == 0x40);
  static_assert(E4M3::Raw({0, 0x05}) == 0x28);
  static_assert(E4M3::Raw({0, uint64_t{0x87} << 56}) == uint64_t{0x78} << 56);
  static_assert(E4M3::Exponents({0x78, 0x08}).low == 15);
  static_assert(E4M3::Exponents({0x78, 0x08}).high == 1);
}

TEST(Fp8Test, E5M2RawBitsLieWhereTheFormatSays) {
  static_assert(E5M2::Raw({0x83, 0}) == 7);
  static_assert(E5M2::Raw({0x80, 0}) == 4);
  static_assert(E5M2::Raw({0x7C, 0x7C}) == 0);
  for (int j = 0; j < 8; ++j) {
    EXPECT_EQ(E5M2::Raw({uint64_t{0x81} << (8 * j), 0}), uint64_t{5} << (3 * j));
    EXPECT_EQ(E5M2::Raw({0, uint64_t{0x81} << (8 * j)}), uint64_t{5} << (3 * (j + 8)));
  }
}

}  // namespace
}  // namespace ecf8
