#include "loader/analysis/tensor_statistics.h"

#include <cmath>

#include "gtest/gtest.h"
#include "loader/analysis/fp8_grid.h"
#include "tests/loader/analysis/stable_samples.h"

namespace ecf8 {
namespace {

double PredictedEntropy(Codec codec, const StableFit& fit) {
  return EntropyBits(PredictExponents(codec, fit));
}

ByteCounts CastSamples(double alpha, double scale, size_t count) {
  ByteCounts counts{};
  for (const double sample : SampleStable(alpha, scale, count, 7)) {
    ++counts[CastToE4M3(static_cast<float>(sample))];
  }
  return counts;
}

TEST(ComputeStatistics, ByHand) {
  ByteCounts counts{};
  counts[0x38] = 2;  // 1
  counts[0xB9] = 1;  // -1.125: the same exponent
  counts[0x40] = 1;  // 2
  const TensorStatistics statistics = ComputeStatistics(Codec::kE4M3, counts);
  EXPECT_EQ(statistics.weights, 4U);
  EXPECT_EQ(statistics.exponents.size(), 16U);
  EXPECT_EQ(statistics.exponents[7], 3U);
  EXPECT_EQ(statistics.exponents[8], 1U);
  EXPECT_NEAR(statistics.exponent_entropy, 0.8112781244591328, 1e-12);
  EXPECT_DOUBLE_EQ(statistics.byte_entropy, 1.5);
  EXPECT_NEAR(statistics.limit_bits, 4.8112781244591328, 1e-12);
}

TEST(ComputeStatistics, OfE5M2HasThreeRawBits) {
  ByteCounts counts{};
  counts[0x3C] = 8;
  counts[0x40] = 8;
  const TensorStatistics statistics = ComputeStatistics(Codec::kE5M2, counts);
  EXPECT_EQ(statistics.exponents.size(), 32U);
  EXPECT_DOUBLE_EQ(statistics.limit_bits, 4);
}

TEST(ComputeStatistics, OfNothingIsNothing) {
  const TensorStatistics statistics = ComputeStatistics(Codec::kE4M3, ByteCounts{});
  EXPECT_EQ(statistics.weights, 0U);
  EXPECT_EQ(statistics.exponent_entropy, 0);
  EXPECT_FALSE(statistics.fit.has_value());
}

// Rounding to E4M3 costs the estimator nothing that matters while half of the weights or more are
// above the step of the subnormals; the prediction then is the entropy of the samples.
TEST(FitWeights, SeesTheLawThroughTheRounding) {
  for (const double alpha : {1.2, 1.5, 1.8, 2.0}) {
    for (const double scale : {0.02, 0.5, 20.0}) {
      const TensorStatistics statistics =
          ComputeStatistics(Codec::kE4M3, CastSamples(alpha, scale, 200'000));
      ASSERT_TRUE(statistics.fit.has_value());
      EXPECT_NEAR(statistics.fit->alpha, alpha, 0.04) << alpha << " " << scale;
      EXPECT_NEAR(statistics.fit->scale / scale, 1, 0.03) << alpha << " " << scale;
      EXPECT_NEAR(statistics.predicted_entropy, statistics.exponent_entropy, 0.015)
          << alpha << " " << scale;
    }
  }
}

TEST(FitWeights, FindsNoLawInZeros) {
  ByteCounts counts{};
  counts[0x00] = 6000;
  counts[0x38] = 4000;
  EXPECT_FALSE(FitWeights(Codec::kE4M3, counts).has_value());
}

TEST(FitWeights, FindsNoLawInAFewWeights) {
  EXPECT_FALSE(FitWeights(Codec::kE4M3, CastSamples(1.6, 1, 999)).has_value());
  EXPECT_TRUE(FitWeights(Codec::kE4M3, CastSamples(1.6, 1, 1000)).has_value());
}

TEST(FitWeights, LeavesOutWhatIsNotFinite) {
  ByteCounts counts = CastSamples(1.6, 1, 50'000);
  const double alpha = FitWeights(Codec::kE4M3, counts)->alpha;
  counts[0x7F] = counts[0xFF] = 1'000'000;
  EXPECT_EQ(FitWeights(Codec::kE4M3, counts)->alpha, alpha);
}

// A normal law whose exponents all lie far from both ends of the format: the entropy of
// floor(log2|X|), which by scale invariance is that at any such scale. The sum is done by hand
// here.
TEST(PredictExponents, OfANormalLawInMidRange) {
  double bits = 0;
  for (int k = -60; k < 8; ++k) {
    const double p = std::erf(std::exp2(k + 1) / 2) - std::erf(std::exp2(k) / 2);
    if (p > 0) bits -= p * std::log2(p);
  }
  // Rounding moves the edges by 1/32 and the subnormals end the left tail: hence the tolerance.
  EXPECT_NEAR(PredictedEntropy(Codec::kE5M2, {2, 1}), bits, 0.02);
  EXPECT_NEAR(PredictedEntropy(Codec::kE5M2, {2, 4}), bits, 0.02);
}

TEST(PredictExponents, VanishesWhereEverythingIsSubnormalOrSaturates) {
  EXPECT_NEAR(PredictedEntropy(Codec::kE4M3, {2, 1e-6}), 0, 1e-6);
  EXPECT_LT(PredictedEntropy(Codec::kE4M3, {2, 1e6}), 0.01);
}

TEST(PaperLimitBits, IsThePapersNumberForNormalWeights) {
  EXPECT_NEAR(PaperLimitBits(2), 4.667, 0.001);
}

}  // namespace
}  // namespace ecf8
