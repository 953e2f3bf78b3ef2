#include "loader/analysis/fp8_grid.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace ecf8 {
namespace {

TEST(Fp8Grid, KnowsTheNumbersOfE4M3) {
  const Fp8Grid& grid = GridOf(Codec::kE4M3);
  EXPECT_EQ(grid.Magnitude(0), 0);
  EXPECT_EQ(grid.Magnitude(0x01), 0x1p-9);  // the least subnormal
  EXPECT_EQ(grid.Magnitude(0x08), 0x1p-6);  // the least normal
  EXPECT_EQ(grid.Magnitude(0x38), 1);
  EXPECT_EQ(grid.Magnitude(grid.max_code), 448);
  EXPECT_EQ(grid.Exponent(0xB8), 7U);
}

TEST(Fp8Grid, KnowsTheNumbersOfE5M2) {
  const Fp8Grid& grid = GridOf(Codec::kE5M2);
  EXPECT_EQ(grid.Magnitude(0x01), 0x1p-16);
  EXPECT_EQ(grid.Magnitude(0x3C), 1);
  EXPECT_EQ(grid.Magnitude(grid.max_code), 57344);
  EXPECT_EQ(grid.Exponent(0xFC), 31U);
}

TEST(Fp8Grid, ExponentsBeginWhereRoundingReachesThem) {
  const Fp8Grid& grid = GridOf(Codec::kE4M3);
  EXPECT_EQ(grid.ExponentLowerEdge(0), 0);
  EXPECT_EQ(grid.ExponentLowerEdge(1), 0x1p-6 * 15 / 16);
  EXPECT_EQ(grid.ExponentLowerEdge(7), 31.0 / 32);
  EXPECT_TRUE(std::isinf(grid.UpperEdge(grid.max_code)));
}

TEST(CastToE4M3, GivesEveryNumberBack) {
  const Fp8Grid& grid = GridOf(Codec::kE4M3);
  for (int code = 0; code <= grid.max_code; ++code) {
    const auto value = static_cast<float>(grid.Magnitude(static_cast<uint8_t>(code)));
    EXPECT_EQ(CastToE4M3(value), code);
    EXPECT_EQ(CastToE4M3(-value), code | 0x80);
  }
}

TEST(CastToE4M3, RoundsTiesToEven) {
  const Fp8Grid& grid = GridOf(Codec::kE4M3);
  for (uint8_t code = 0; code < grid.max_code; ++code) {
    const auto edge = static_cast<float>(grid.UpperEdge(code));
    EXPECT_EQ(CastToE4M3(edge), code % 2 == 0 ? code : code + 1);
    EXPECT_EQ(CastToE4M3(std::nextafter(edge, 0.0F)), code);
    EXPECT_EQ(CastToE4M3(std::nextafter(edge, 1e9F)), code + 1);
  }
}

TEST(CastToE4M3, SaturatesAndKeepsNaN) {
  EXPECT_EQ(CastToE4M3(1e30F), 0x7E);
  EXPECT_EQ(CastToE4M3(-std::numeric_limits<float>::infinity()), 0xFE);
  EXPECT_EQ(CastToE4M3(std::numeric_limits<float>::quiet_NaN()) & 0x7F, 0x7F);
}

}  // namespace
}  // namespace ecf8
