// Symmetric alpha-stable laws: the distribution with characteristic function exp(-|t|^alpha).
//
// alpha = 2 is the normal law of variance 2, alpha = 1 Cauchy's. docs/THEORY.md, section 2.
#ifndef ECF8_LOADER_ANALYSIS_STABLE_LAW_H_
#define ECF8_LOADER_ANALYSIS_STABLE_LAW_H_

#include <optional>

namespace ecf8 {

inline constexpr double kMinAlpha = 0.5;  // what McCulloch tabulated, and we fit
inline constexpr double kMaxAlpha = 2.0;

// P(|X| <= x) of the standard law (scale 1), within 1e-8, by Nolan's integral: J. P. Nolan,
// "Numerical calculation of stable densities and distribution functions", Stochastic Models 13(4),
// 1997, theorem 1 with beta = 0. `alpha` in [kMinAlpha, kMaxAlpha], `x` >= 0 (infinity gives 1).
double StableMagnitudeCdf(double alpha, double x);

// The x with P(|X| <= x) = p, for p in (0, 1): bisection.
double StableMagnitudeQuantile(double alpha, double p);

// A law fitted to data.
struct StableFit {
  double alpha = kMaxAlpha;
  double scale = 1;  // the data are `scale` times the standard law
};

// McCulloch's quantile estimator ("Simple consistent estimators of stable distribution parameters",
// Communications in Statistics 15(4), 1986) for a law known to be symmetric about 0, whose
// quantiles x.95 = -x.05 and x.75 = -x.25 are those of its magnitude at 0.9 and 0.5. Their ratio
// nu_alpha depends on alpha alone and falls as alpha rises, from 2.439 at alpha = 2; below that, a
// tail lighter than the normal law's, alpha is 2. The table of nu_alpha is computed, not copied.
//
// nullopt unless 0 < median_magnitude <= q90_magnitude < infinity.
std::optional<StableFit> FitStable(double median_magnitude, double q90_magnitude);

}  // namespace ecf8

#endif  // ECF8_LOADER_ANALYSIS_STABLE_LAW_H_
