// What the histogram of a tensor's FP8 bytes says: entropies, the fitted law, and what it predicts.
#ifndef ECF8_LOADER_ANALYSIS_TENSOR_STATISTICS_H_
#define ECF8_LOADER_ANALYSIS_TENSOR_STATISTICS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "decoder/format.h"
#include "loader/analysis/histogram.h"
#include "loader/analysis/stable_law.h"

namespace ecf8 {

struct TensorStatistics {
  uint64_t weights = 0;
  std::vector<uint64_t> exponents;  // how often each value of the exponent field occurs
  double exponent_entropy = 0;      // bits a weight
  double byte_entropy = 0;          // bits a weight
  double limit_bits = 0;  // a weight: sign, mantissa and H(exponent); 4 + H for E4M3. What coding
                          // single exponents with a table a tensor can reach.

  // Absent where the data show no law: fewer than 1000 weights, or more than half of them 0.
  std::optional<StableFit> fit;
  // If the weights followed `fit`: the share of each value of the exponent field, and its entropy.
  std::vector<double> predicted_exponents;
  double predicted_entropy = 0;
};

// `codec` is the format of the bytes, not kRaw.
TensorStatistics ComputeStatistics(Codec codec, const ByteCounts& counts);

// The law of the weights whose bytes are counted: its quantiles are interpolated between the edges
// of rounding, where the histogram knows the distribution exactly. NaN and infinities are left out.
std::optional<StableFit> FitWeights(Codec codec, const ByteCounts& counts);

// The share of each value of the exponent field among numbers of the law `fit`, rounded to nearest
// in the format of `codec`, too large ones saturated. docs/THEORY.md, section 4.
std::vector<double> PredictExponents(Codec codec, const StableFit& fit);

// The paper's compression limit for weights of tail index `alpha` (arXiv 2510.02676, section 2):
// one bit of sign, one of mantissa, and alpha / (1 - 2^-alpha), its upper bound of the exponent's
// entropy. 4.67 at alpha = 2. docs/THEORY.md, section 5, has what to think of it.
double PaperLimitBits(double alpha);

}  // namespace ecf8

#endif  // ECF8_LOADER_ANALYSIS_TENSOR_STATISTICS_H_
