#include "loader/analysis/stable_law.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>

namespace ecf8 {
namespace {

constexpr double kHalfPi = std::numbers::pi / 2;
// Closer to 1 the exponent alpha / (alpha - 1) overflows; the law is Cauchy's within 1e-4 there.
constexpr double kCauchyWidth = 1e-4;

// The integrand of Nolan's theorem, exp(-g(theta)), where
// ln g = a/(a-1) (ln x + ln cos theta - ln sin a theta) + ln cos (a-1) theta - ln cos theta.
class NolanIntegrand {
 public:
  NolanIntegrand(double alpha, double x)
      : alpha_(alpha), power_(alpha / (alpha - 1)), log_x_(std::log(x)) {}

  // Monotone in theta on (0, pi/2): falling for alpha > 1, rising for alpha < 1.
  double LogG(double theta) const {
    const double log_cos = std::log(std::cos(theta));
    return power_ * (log_x_ + log_cos - std::log(std::sin(alpha_ * theta))) +
           std::log(std::cos((alpha_ - 1) * theta)) - log_cos;
  }

  double operator()(double theta) const { return std::exp(-std::exp(LogG(theta))); }

  // Where the integrand is 1/e. It may be a steep step there, which quadrature must not step over.
  double Step() const {
    double low = 0;
    double high = kHalfPi;
    const bool falls = alpha_ > 1;
    for (int i = 0; i < 60; ++i) {
      const double middle = (low + high) / 2;
      ((LogG(middle) > 0) == falls ? low : high) = middle;
    }
    return (low + high) / 2;
  }

 private:
  double alpha_;
  double power_;
  double log_x_;
};

// Gauss-Legendre with 7 nodes: the ends, where the integrand is 0/0, are not among them.
double GaussLegendre(const NolanIntegrand& f, double a, double b) {
  constexpr std::array<double, 4> kNodes = {0.0, 0.4058451513773972, 0.7415311855993945,
                                            0.9491079123427585};
  constexpr std::array<double, 4> kWeights = {0.4179591836734694, 0.3818300505051189,
                                              0.2797053914892766, 0.1294849661688697};
  const double center = (a + b) / 2;
  const double half = (b - a) / 2;
  double sum = kWeights[0] * f(center);
  for (size_t i = 1; i < kNodes.size(); ++i) {
    sum += kWeights[i] * (f(center - half * kNodes[i]) + f(center + half * kNodes[i]));
  }
  return sum * half;
}

// Halves the interval until the halves agree with the whole.
double Integrate(const NolanIntegrand& f, double a, double b, double whole, int depth) {
  constexpr double kTolerance = 1e-10;
  const double middle = (a + b) / 2;
  const double left = GaussLegendre(f, a, middle);
  const double right = GaussLegendre(f, middle, b);
  if (depth == 0 || std::abs(left + right - whole) < kTolerance) return left + right;
  return Integrate(f, a, middle, left, depth - 1) + Integrate(f, middle, b, right, depth - 1);
}

// From `step` to `end`, on either side of it, in intervals that double: what happens close to a
// step that is close to an end must not be lost in a wide interval.
double IntegrateFrom(const NolanIntegrand& f, double step, double end, double width) {
  constexpr int kDepth = 30;
  double sum = 0;
  double from = step;
  while (from != end) {
    const double to = std::abs(end - from) <= width ? end : from + std::copysign(width, end - from);
    const double a = std::min(from, to);
    const double b = std::max(from, to);
    sum += Integrate(f, a, b, GaussLegendre(f, a, b), kDepth);
    from = to;
    width *= 2;
  }
  return sum;
}

// What the estimator looks up, for alpha from kMinAlpha in steps of kAlphaStep.
constexpr double kAlphaStep = 0.02;
constexpr size_t kAlphaCount = 76;
static_assert(kMinAlpha + kAlphaStep * (kAlphaCount - 1) == kMaxAlpha);

struct QuantileRow {
  double log_nu;  // of x.95 / x.75
  double log_median;
};

std::array<QuantileRow, kAlphaCount> ComputeQuantiles() {
  std::array<QuantileRow, kAlphaCount> rows{};
  for (size_t i = 0; i < kAlphaCount; ++i) {
    const double alpha = std::min(kMinAlpha + kAlphaStep * static_cast<double>(i), kMaxAlpha);
    const double median = StableMagnitudeQuantile(alpha, 0.5);
    rows[i] = {std::log(StableMagnitudeQuantile(alpha, 0.9) / median), std::log(median)};
  }
  return rows;
}

}  // namespace

double StableMagnitudeCdf(double alpha, double x) {
  if (x <= 0) return 0;
  if (std::isinf(x)) return 1;
  if (std::abs(alpha - 1) < kCauchyWidth) return std::atan(x) / kHalfPi;
  const NolanIntegrand f(alpha, x);
  const double step = f.Step();
  // The step of a very small or large x may be on the end itself.
  const double width = std::max(std::min(step, kHalfPi - step), 1e-12);
  const double integral = IntegrateFrom(f, step, 0, width) + IntegrateFrom(f, step, kHalfPi, width);
  const double share = integral / kHalfPi;  // of the mass: outside x for alpha > 1, else inside
  return std::clamp(alpha > 1 ? 1 - share : share, 0.0, 1.0);
}

double StableMagnitudeQuantile(double alpha, double p) {
  double low = 0;
  double high = 1;
  while (StableMagnitudeCdf(alpha, high) < p) {
    low = high;
    high *= 2;
  }
  while (high - low > 1e-9 * high) {
    const double middle = (low + high) / 2;
    (StableMagnitudeCdf(alpha, middle) < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

std::optional<StableFit> FitStable(double median_magnitude, double q90_magnitude) {
  if (!(median_magnitude > 0) || !(q90_magnitude >= median_magnitude) ||
      !std::isfinite(q90_magnitude)) {
    return std::nullopt;
  }
  static const std::array<QuantileRow, kAlphaCount> kRows = ComputeQuantiles();
  const double log_nu = std::log(q90_magnitude / median_magnitude);
  // The last row that is not lighter in its tail than the data.
  size_t row = kAlphaCount - 1;
  while (row > 0 && kRows[row].log_nu < log_nu) --row;
  double fraction = 0;  // of the way to the next row
  if (row + 1 < kAlphaCount && kRows[row].log_nu >= log_nu) {
    fraction = (kRows[row].log_nu - log_nu) / (kRows[row].log_nu - kRows[row + 1].log_nu);
  }
  const double next_median = kRows[std::min(row + 1, kAlphaCount - 1)].log_median;
  const double log_median =
      kRows[row].log_median + fraction * (next_median - kRows[row].log_median);
  return StableFit{
      std::min(kMinAlpha + kAlphaStep * (static_cast<double>(row) + fraction), kMaxAlpha),
      median_magnitude / std::exp(log_median)};
}

}  // namespace ecf8
