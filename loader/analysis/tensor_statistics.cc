#include "loader/analysis/tensor_statistics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/types/span.h"
#include "loader/analysis/fp8_grid.h"

namespace ecf8 {
namespace {

// Below it, quantiles are noise.
constexpr uint64_t kMinFittedWeights = 1000;

// How many finite weights have each magnitude, by its code.
std::vector<uint64_t> MagnitudeCounts(const Fp8Grid& grid, const ByteCounts& counts) {
  std::vector<uint64_t> magnitudes(grid.max_code + size_t{1});
  for (size_t code = 0; code < magnitudes.size(); ++code) {
    magnitudes[code] = counts[code] + counts[code | 0x80];
  }
  return magnitudes;
}

// The magnitude below which a share `p` of the weights lies. Within a code's interval of rounding
// they are taken as spread evenly; the last one ends, for want of an edge, at the largest number.
double MagnitudeQuantile(const Fp8Grid& grid, const std::vector<uint64_t>& magnitudes, double p) {
  double total = 0;
  for (const uint64_t count : magnitudes) total += static_cast<double>(count);
  const double target = p * total;
  double below = 0;
  double edge = 0;
  for (size_t i = 0; i < magnitudes.size(); ++i) {
    const auto code = static_cast<uint8_t>(i);
    const double next = code < grid.max_code ? grid.UpperEdge(code) : grid.Magnitude(code);
    const auto count = static_cast<double>(magnitudes[i]);
    if (count > 0 && below + count >= target)
      return edge + (next - edge) * (target - below) / count;
    below += count;
    edge = next;
  }
  return edge;
}

}  // namespace

std::optional<StableFit> FitWeights(Codec codec, const ByteCounts& counts) {
  const Fp8Grid& grid = GridOf(codec);
  const std::vector<uint64_t> magnitudes = MagnitudeCounts(grid, counts);
  uint64_t total = 0;
  for (const uint64_t count : magnitudes) total += count;
  // The median must be one that rounding has not swallowed.
  if (total < kMinFittedWeights || magnitudes[0] > total / 2) return std::nullopt;
  return FitStable(MagnitudeQuantile(grid, magnitudes, 0.5),
                   MagnitudeQuantile(grid, magnitudes, 0.9));
}

std::vector<double> PredictExponents(Codec codec, const StableFit& fit) {
  const Fp8Grid& grid = GridOf(codec);
  std::vector<double> shares(grid.exponent_count());
  const size_t last = grid.Exponent(grid.max_code);
  double below = 0;
  for (size_t exponent = 0; exponent <= last; ++exponent) {
    const double up_to =
        exponent == last
            ? 1.0
            : StableMagnitudeCdf(fit.alpha, grid.ExponentLowerEdge(exponent + 1) / fit.scale);
    shares[exponent] = std::max(up_to - below, 0.0);  // quadrature is exact to 1e-8 only
    below = up_to;
  }
  return shares;
}

double PaperLimitBits(double alpha) { return 2 + alpha / (1 - std::exp2(-alpha)); }

TensorStatistics ComputeStatistics(Codec codec, const ByteCounts& counts) {
  const Fp8Grid& grid = GridOf(codec);
  TensorStatistics statistics;
  statistics.exponents.resize(grid.exponent_count());
  for (size_t byte = 0; byte < counts.size(); ++byte) {
    statistics.weights += counts[byte];
    statistics.exponents[grid.Exponent(static_cast<uint8_t>(byte))] += counts[byte];
  }
  statistics.exponent_entropy = EntropyBits(statistics.exponents);
  statistics.byte_entropy = EntropyBits(counts);
  statistics.limit_bits = 1 + grid.mantissa_bits + statistics.exponent_entropy;
  statistics.fit = FitWeights(codec, counts);
  if (statistics.fit.has_value()) {
    statistics.predicted_exponents = PredictExponents(codec, *statistics.fit);
    statistics.predicted_entropy = EntropyBits(statistics.predicted_exponents);
  }
  return statistics;
}

}  // namespace ecf8
