#include "tools/workloads/synthetic_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "absl/types/span.h"
#include "loader/analysis/histogram.h"

namespace ecf8 {
namespace {

std::vector<uint8_t> Made(uint64_t seed, size_t columns, size_t size) {
  std::vector<uint8_t> weights(size);
  FillSyntheticE4M3(seed, columns, absl::MakeSpan(weights));
  return weights;
}

TEST(SyntheticWeights, AreTheSameForTheSameSeedOnly) {
  EXPECT_EQ(Made(1, 200, 40'000), Made(1, 200, 40'000));
  EXPECT_NE(Made(1, 200, 40'000), Made(2, 200, 40'000));
}

TEST(SyntheticWeights, EveryBlockIsScaledToTheLargestNumber) {
  constexpr size_t kColumns = 300;  // blocks of 128, 128 and 44 columns
  constexpr size_t kRows = 140;     // of 128 and 12 rows
  const std::vector<uint8_t> weights = Made(3, kColumns, kRows * kColumns);
  for (size_t row = 0; row < kRows; row += 128) {
    for (size_t column = 0; column < kColumns; column += 128) {
      uint8_t largest = 0;
      for (size_t r = row; r < std::min(row + 128, kRows); ++r) {
        for (size_t c = column; c < std::min(column + 128, kColumns); ++c) {
          largest = std::max<uint8_t>(largest, weights[r * kColumns + c] & 0x7F);
        }
      }
      EXPECT_EQ(largest, 0x7E) << row << " " << column;  // 448
    }
  }
}

TEST(SyntheticWeights, HaveTheEntropyOfTrainedOnes) {
  ByteCounts counts{};
  CountBytes(Made(4, 2048, 2048 * 256), counts);
  const double bits = EntropyBits(absl::MakeConstSpan(counts));
  EXPECT_GT(bits, 6.4);
  EXPECT_LT(bits, 6.8);
}

}  // namespace
}  // namespace ecf8
