#include "decoder/fp8.h"

#include <cstdint>

#include "gtest/gtest.h"
#include "tests/decoder/weight_samples.h"

namespace ecf8 {
namespace {

using E4M3 = Fp8Traits<Codec::kE4M3>;
using E5M2 = Fp8Traits<Codec::kE5M2>;

// Bytes 4 * half to 4 * half + 3 of a lane's.
uint32_t Half(uint64_t bytes, int half) { return static_cast<uint32_t>(bytes >> (32 * half)); }

TEST(Fp8Test, E4M3MergeInvertsSplit) {
  TestRandom random(1);
  for (int i = 0; i < 10'000; ++i) {
    const LaneWeights weights = {random.Next(), random.Next()};
    const LaneExponents exponents = E4M3::Exponents(weights);
    const uint64_t symbols = exponents.low | exponents.high << 4;
    const uint64_t raw = E4M3::Raw(weights);
    ASSERT_EQ(E4M3::MergeLow(symbols, raw), weights.low);
    ASSERT_EQ(E4M3::MergeHigh(symbols, raw), weights.high);
    for (int half = 0; half < 2; ++half) {
      ASSERT_EQ(E4M3::MergeLow(Half(symbols, half), Half(raw, half)), Half(weights.low, half));
      ASSERT_EQ(E4M3::MergeHigh(Half(symbols, half), Half(raw, half)), Half(weights.high, half));
    }
  }
}

TEST(Fp8Test, E5M2MergeInvertsSplit) {
  TestRandom random(2);
  for (int i = 0; i < 10'000; ++i) {
    const LaneWeights weights = {random.Next(), random.Next()};
    // In place, and anything in the other bits.
    const uint64_t other = random.Next() & 0x8383838383838383ULL;
    const LaneExponents exponents = E5M2::Exponents(weights);
    const LaneExponents in_place = {exponents.low << 2 | other, exponents.high << 2 | other};
    const uint64_t raw = E5M2::Raw(weights) | random.Next() << 48;
    ASSERT_EQ(E5M2::Merge(in_place.low, raw), weights.low);
    ASSERT_EQ(E5M2::Merge(in_place.high, raw >> 24), weights.high);
    for (int half = 0; half < 2; ++half) {
      ASSERT_EQ(E5M2::Merge(Half(in_place.low, half), static_cast<uint32_t>(raw >> 12 * half)),
                Half(weights.low, half));
      ASSERT_EQ(
          E5M2::Merge(Half(in_place.high, half), static_cast<uint32_t>(raw >> (24 + 12 * half))),
          Half(weights.high, half));
    }
  }
}

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
