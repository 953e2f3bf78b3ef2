#include "loader/cache/expert_predictor.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "loader/cache/age_hazard.h"
#include "loader/cache/change_detector.h"

namespace ecf8 {
namespace {

double Sum(absl::Span<const float> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

void Step(ExpertPredictor& predictor, const std::vector<uint32_t>& experts) {
  predictor.BeginStep(0);
  for (const uint32_t expert : experts) predictor.Use(0, expert);
}

TEST(ExpertPredictor, NothingKnownPrefersNothing) {
  const ExpertPredictor predictor({64});
  for (const float chance : predictor.Chances(0)) EXPECT_FLOAT_EQ(chance, 2.0f / 64);
}

TEST(ExpertPredictor, ChancesAddUpToTheExpertsOfAStep) {
  ExpertPredictor predictor({64});
  for (uint32_t step = 0; step < 100; ++step) {
    Step(predictor, {step % 3, 10 + step % 5, 20 + step % 7, 40 + step % 11});
  }
  predictor.BeginStep(0);
  EXPECT_NEAR(Sum(predictor.Chances(0)), 4, 0.05);
}

TEST(ExpertPredictor, LearnsFrequencies) {
  ExpertPredictor predictor({16});
  for (uint32_t step = 0; step < 400; ++step) {
    Step(predictor, {0, step % 2 == 0 ? 1u : 2u, 3 + step * 7 % 13});
  }
  predictor.BeginStep(0);
  const auto chances = predictor.Chances(0);
  EXPECT_GT(chances[0], 0.6);
  EXPECT_GT(chances[1], 0.3);
  EXPECT_LT(chances[5], 0.2);
}

TEST(ExpertPredictor, AChangeOfHabitIsFollowed) {
  ExpertPredictor predictor({64});
  std::mt19937 random(1);
  const auto steps = [&](uint32_t count, uint32_t first) {
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t a = random() % 8, b = (a + 1 + random() % 7) % 8;
      Step(predictor, {first + a, first + b});
    }
  };
  steps(2000, 0);
  steps(40, 32);
  predictor.BeginStep(0);
  EXPECT_GT(Sum(predictor.Chances(0).subspan(32, 8)), 1.5);  // of 2
}

TEST(ExpertPredictor, AScanChangesNothing) {
  // Two of a kind, of which one sees a prefill where the other sees an empty step.
  ExpertPredictor scanned({64}), other({64});
  for (uint32_t step = 0; step < 300; ++step) {
    Step(scanned, {step % 4, 4 + step % 6});
    Step(other, {step % 4, 4 + step % 6});
  }
  std::vector<uint32_t> all(64);
  std::iota(all.begin(), all.end(), 0);
  Step(scanned, all);
  Step(other, {});
  scanned.BeginStep(0);
  other.BeginStep(0);
  // But for the number of experts a step, which the scan counts for a little.
  const double grown = Sum(scanned.Chances(0)) / Sum(other.Chances(0));
  EXPECT_LT(grown, 1.25);
  for (size_t i = 0; i < 64; ++i) {
    EXPECT_NEAR(scanned.Chances(0)[i], grown * other.Chances(0)[i], 1e-3) << i;
  }
}

TEST(ExpertPredictor, AGrowingBatchIsLearnedInTheEnd) {
  ExpertPredictor predictor({64});
  for (uint32_t step = 0; step < 100; ++step) Step(predictor, {step % 4, 4 + step % 6});
  std::vector<uint32_t> batch(40);
  std::iota(batch.begin(), batch.end(), 24);
  for (int step = 0; step < 400; ++step) Step(predictor, batch);
  predictor.BeginStep(0);
  EXPECT_GT(predictor.Chances(0)[30], 0.7);
  EXPECT_LT(predictor.Chances(0)[1], 0.3);
}

TEST(ExpertPredictor, SeedingTakesUpWhatWasLearned) {
  ExpertPredictor predictor({8});
  const std::vector<float> chances = {0.9f, 0.5f, 0.1f, 0, 0, 0, 0.1f, 0.4f};
  predictor.Seed(0, chances);
  for (size_t i = 0; i + 1 < chances.size(); ++i) {
    if (chances[i] > chances[i + 1]) {
      EXPECT_GT(predictor.Chances(0)[i], predictor.Chances(0)[i + 1]);
    }
  }
  predictor.Seed(0, std::vector<float>(8, 0));  // nothing learned: nothing changes
  EXPECT_GT(predictor.Chances(0)[0], predictor.Chances(0)[1]);
}

TEST(AgeHazard, LearnsThatWhatWasJustUsedComesBack) {
  AgeHazard hazard;
  for (int i = 0; i < 4096; ++i) hazard.Record(i % 2 == 0 ? 1 : 10 + static_cast<uint32_t>(i % 64));
  EXPECT_NEAR(hazard.Chance(1), 0.5, 0.05);
  EXPECT_LT(hazard.Chance(5), 0.01);
  EXPECT_GT(hazard.Chance(40), hazard.Chance(5));
  EXPECT_GT(hazard.Chance(0), 0);
  EXPECT_GT(hazard.Chance(~uint32_t{0}), 0);
}

TEST(AgeHazard, EveryAgeMayBeRecorded) {
  AgeHazard hazard;
  for (uint32_t age = 0; age < 3000; ++age) hazard.Record(age);
  hazard.Record(~uint32_t{0});
  for (uint32_t age = 0; age < 3000; ++age) EXPECT_GT(hazard.Chance(age), 0);
}

TEST(ChangeDetector, FindsARiseAndNoChanceSwing) {
  ChangeDetector detector;
  std::mt19937 random(1);
  const auto noise = [&random] { return static_cast<double>(random() % 1000) / 500; };  // mean 1
  for (int i = 0; i < 200'000; ++i) ASSERT_FALSE(detector.Add(4 + noise())) << i;
  int delay = 0;
  while (!detector.Add(4.5 + noise())) ++delay;
  EXPECT_LT(delay, 600);
}

}  // namespace
}  // namespace ecf8
