// Random numbers of symmetric stable laws for tests, the same on every machine's libm but for
// rounding.
#ifndef ECF8_TESTS_LOADER_ANALYSIS_STABLE_SAMPLES_H_
#define ECF8_TESTS_LOADER_ANALYSIS_STABLE_SAMPLES_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <random>
#include <vector>

namespace ecf8 {

// J. M. Chambers, C. L. Mallows, B. W. Stuck, "A method for simulating stable random variables",
// JASA 71, 1976, for beta = 0.
inline std::vector<double> SampleStable(double alpha, double scale, size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto uniform = [&random] {  // in (0, 1); <random>'s distributions differ between libraries
    return (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53;
  };
  std::vector<double> samples(count);
  for (double& sample : samples) {
    const double angle = std::numbers::pi * (uniform() - 0.5);
    const double exponential = -std::log(uniform());
    sample = scale * std::sin(alpha * angle) / std::pow(std::cos(angle), 1 / alpha) *
             std::pow(std::cos((1 - alpha) * angle) / exponential, (1 - alpha) / alpha);
  }
  return samples;
}

}  // namespace ecf8

#endif  // ECF8_TESTS_LOADER_ANALYSIS_STABLE_SAMPLES_H_
