#include "loader/analysis/histogram.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"
#include "loader/analysis/fp8_grid.h"
#include "tests/decoder/weight_samples.h"

namespace ecf8 {
namespace {

template <typename T>
std::vector<uint8_t> BytesOf(const std::vector<T>& values) {
  std::vector<uint8_t> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

TEST(CountBytes, CountsEveryByteOfAnyLength) {
  for (const size_t size : {0, 1, 7, 8, 9, 1000}) {
    const std::vector<uint8_t> weights = MakeWeights("all_bytes", Codec::kE4M3, size, 1);
    ByteCounts expected{};
    for (const uint8_t weight : weights) ++expected[weight];
    ByteCounts counts{};
    CountBytes(weights, counts);
    EXPECT_EQ(counts, expected) << size;
  }
}

TEST(EntropyBits, OfKnownHistograms) {
  EXPECT_EQ(EntropyBits(std::vector<uint64_t>{}), 0);
  EXPECT_EQ(EntropyBits(std::vector<uint64_t>{0, 0}), 0);
  EXPECT_EQ(EntropyBits(std::vector<uint64_t>{0, 9}), 0);
  EXPECT_DOUBLE_EQ(EntropyBits(std::vector<uint64_t>(16, 5)), 4);
  EXPECT_DOUBLE_EQ(EntropyBits(std::vector<uint64_t>{4, 2, 1, 1}), 1.75);
  EXPECT_NEAR(EntropyBits(std::vector<uint64_t>{1, 2}), 0.9182958340544896, 1e-12);
}

// The 16-bit keys lose nothing that E4M3 could tell: every edge of rounding and its neighbours.
TEST(WideFloats, CastsF32AsTheFullNumber) {
  const Fp8Grid& grid = GridOf(Codec::kE4M3);
  std::vector<float> values = {0.0F, -0.0F, 1e-45F, 1e-30F, 500.0F, 3e38F, INFINITY};
  for (uint8_t code = 0; code < grid.max_code; ++code) {
    const auto edge = static_cast<float>(grid.UpperEdge(code));
    for (const float value : {edge, std::nextafter(edge, 0.0F), std::nextafter(edge, 1e9F)}) {
      values.push_back(value);
      values.push_back(-value);
    }
  }
  std::vector<uint8_t> cast;
  WideFloats(DType::kF32).Cast(BytesOf(values), &cast);
  ASSERT_EQ(cast.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(cast[i], CastToE4M3(values[i])) << values[i];
}

TEST(WideFloats, KeepsNaNOfAnyPayload) {
  std::vector<uint8_t> cast;
  WideFloats(DType::kF32).Cast(BytesOf(std::vector<uint32_t>{0x7F800001, 0xFFC00000}), &cast);
  EXPECT_EQ(cast, (std::vector<uint8_t>{0x7F, 0xFF}));
}

TEST(WideFloats, CastsBF16AndF16) {
  std::vector<uint8_t> cast;
  WideFloats(DType::kBF16).Cast(BytesOf(std::vector<uint16_t>{0x3F80, 0xC000, 0x7F80}), &cast);
  EXPECT_EQ(cast, (std::vector<uint8_t>{0x38, 0xC0, 0x7E}));  // 1, -2, infinity
  // 1, -2, infinity, the least subnormal (2^-24), 2^-9 and 1.5 x 2^-10 (which rounds to 2^-9).
  WideFloats(DType::kF16)
      .Cast(BytesOf(std::vector<uint16_t>{0x3C00, 0xC000, 0x7C00, 0x0001, 0x1800, 0x1600}), &cast);
  EXPECT_EQ(cast, (std::vector<uint8_t>{0x38, 0xC0, 0x7E, 0x00, 0x01, 0x01}));
}

TEST(WideFloats, CountsCastsAndOwnExponents) {
  const std::vector<uint8_t> values = BytesOf(std::vector<float>{1, 1.5F, -1, 0.25F});
  ByteCounts cast{};
  ByteCounts exponents{};
  WideFloats(DType::kF32).Count(values, cast, exponents);
  EXPECT_EQ(cast[0x38], 1U);
  EXPECT_EQ(cast[0x3C], 1U);
  EXPECT_EQ(cast[0xB8], 1U);
  EXPECT_EQ(cast[0x28], 1U);
  EXPECT_EQ(exponents[127], 3U);
  EXPECT_EQ(exponents[125], 1U);
  EXPECT_EQ(std::accumulate(cast.begin(), cast.end(), uint64_t{0}), 4U);
}

}  // namespace
}  // namespace ecf8
