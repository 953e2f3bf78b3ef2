#include "loader/analysis/stable_law.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "gtest/gtest.h"
#include "tests/loader/analysis/stable_samples.h"

namespace ecf8 {
namespace {

constexpr std::array<double, 9> kPoints = {1e-6, 0.01, 0.1, 0.5, 1, 2, 5, 20, 1000};

TEST(StableMagnitudeCdf, OfAlpha2IsTheNormalLawOfVariance2) {
  for (const double x : kPoints) {
    EXPECT_NEAR(StableMagnitudeCdf(2, x), std::erf(x / 2), 1e-8) << x;
  }
}

TEST(StableMagnitudeCdf, OfAlpha1IsCauchys) {
  for (const double x : kPoints) {
    EXPECT_NEAR(StableMagnitudeCdf(1, x), 2 / std::numbers::pi * std::atan(x), 1e-12) << x;
  }
}

// The closed form at 1 is the limit from both sides, where the integrand is a step.
TEST(StableMagnitudeCdf, IsContinuousAtAlpha1) {
  for (const double x : kPoints) {
    EXPECT_NEAR(StableMagnitudeCdf(0.9998, x), StableMagnitudeCdf(1, x), 2e-4) << x;
    EXPECT_NEAR(StableMagnitudeCdf(1.0002, x), StableMagnitudeCdf(1, x), 2e-4) << x;
  }
}

// Zolotarev: the tail is asymptotically C x^-alpha with C = 2 sin(pi alpha / 2) Gamma(alpha) / pi.
TEST(StableMagnitudeCdf, HasParetosTail) {
  for (const double alpha : {0.7, 1.3, 1.5, 1.8}) {
    const double constant =
        2 * std::sin(std::numbers::pi * alpha / 2) * std::tgamma(alpha) / std::numbers::pi;
    const double x = 3000;
    EXPECT_NEAR((1 - StableMagnitudeCdf(alpha, x)) / (constant * std::pow(x, -alpha)), 1, 0.02)
        << alpha;
  }
}

// P(|X| <= x) is also (2/pi) times the integral of sin(xt)/t exp(-t^alpha): Gil-Pelaez, inverted
// here by the midpoint rule. Independent of Nolan's form.
TEST(StableMagnitudeCdf, AgreesWithFourierInversion) {
  for (const double alpha : {0.8, 1.2, 1.5, 1.9}) {
    for (const double x : {0.2, 1.0, 3.0}) {
      constexpr double kStep = 1e-3;
      double sum = 0;
      for (double t = kStep / 2; t < 60; t += kStep) {
        sum += std::sin(x * t) / t * std::exp(-std::pow(t, alpha));
      }
      EXPECT_NEAR(StableMagnitudeCdf(alpha, x), 2 / std::numbers::pi * sum * kStep, 2e-6)
          << alpha << " " << x;
    }
  }
}

TEST(StableMagnitudeCdf, CoversTheHalfLine) {
  for (const double alpha : {0.5, 1.0, 1.7, 2.0}) {
    EXPECT_EQ(StableMagnitudeCdf(alpha, 0), 0);
    EXPECT_EQ(StableMagnitudeCdf(alpha, std::numeric_limits<double>::infinity()), 1);
    double last = 0;
    for (const double x : kPoints) {
      const double p = StableMagnitudeCdf(alpha, x);
      EXPECT_GE(p, last) << alpha << " " << x;
      last = p;
    }
  }
}

TEST(StableMagnitudeQuantile, InvertsTheCdf) {
  EXPECT_NEAR(StableMagnitudeQuantile(2, 0.5), 0.6744897501960817 * std::numbers::sqrt2, 1e-7);
  EXPECT_NEAR(StableMagnitudeQuantile(1, 0.9), std::tan(0.45 * std::numbers::pi), 1e-7);
  EXPECT_NEAR(StableMagnitudeCdf(1.4, StableMagnitudeQuantile(1.4, 0.75)), 0.75, 1e-8);
}

// McCulloch's published table III for nu_beta = 0, to its three decimals.
TEST(FitStable, ReproducesMcCullochsTable) {
  constexpr std::array<std::pair<double, double>, 14> kTable = {{
      {2.439, 2.000},
      {2.5, 1.916},
      {2.6, 1.808},
      {2.7, 1.729},
      {2.8, 1.664},
      {3.0, 1.563},
      {3.2, 1.484},
      {3.5, 1.391},
      {4.0, 1.279},
      {5.0, 1.128},
      {6.0, 1.029},
      {8.0, 0.896},
      {10.0, 0.818},
      {25.0, 0.593},
  }};
  for (const auto& [nu, alpha] : kTable) {
    const auto fit = FitStable(1, nu);
    ASSERT_TRUE(fit.has_value());
    EXPECT_NEAR(fit->alpha, alpha, 0.006) << nu;
  }
}

TEST(FitStable, RecoversSampledLaws) {
  for (const double alpha : {0.6, 0.9, 1.0, 1.2, 1.5, 1.7, 1.9}) {
    constexpr double kScale = 0.03;
    std::vector<double> samples = SampleStable(alpha, kScale, 400'000, 1);
    for (double& sample : samples) sample = std::abs(sample);
    std::sort(samples.begin(), samples.end());
    const auto fit = FitStable(samples[samples.size() / 2], samples[samples.size() / 10 * 9]);
    ASSERT_TRUE(fit.has_value());
    EXPECT_NEAR(fit->alpha, alpha, 0.02) << alpha;
    EXPECT_NEAR(fit->scale / kScale, 1, 0.02) << alpha;
  }
}

TEST(FitStable, TakesTailsLighterThanNormalAsNormal) {
  const auto fit = FitStable(1, 1.8);  // a uniform law
  ASSERT_TRUE(fit.has_value());
  EXPECT_EQ(fit->alpha, kMaxAlpha);
  EXPECT_NEAR(fit->scale, 1 / StableMagnitudeQuantile(2, 0.5), 1e-6);
}

TEST(FitStable, TakesHeavierTailsThanItKnowsAsTheHeaviest) {
  EXPECT_EQ(FitStable(1, 1e6)->alpha, kMinAlpha);
}

TEST(FitStable, RefusesWhatIsNoLaw) {
  EXPECT_FALSE(FitStable(0, 1).has_value());
  EXPECT_FALSE(FitStable(1, 0.5).has_value());
  EXPECT_FALSE(FitStable(1, std::numeric_limits<double>::infinity()).has_value());
  EXPECT_FALSE(FitStable(std::numeric_limits<double>::quiet_NaN(), 1).has_value());
}

}  // namespace
}  // namespace ecf8
