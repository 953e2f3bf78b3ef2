#include "loader/cache/expert_predictor.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>

namespace ecf8 {
namespace {

double Env(const char* n, double d) { const char* v = getenv(n); return v ? atof(v) : d; }
const double kHalf0 = Env("H0", 1), kHalfMul = Env("HM", 4), kEta = Env("ETA", 0.001), kUseRec = Env("REC", 1);
const double kShare = Env("SHARE", 0.01);

float Beta(size_t k) { return static_cast<float>(std::exp2(-1.0 / (kHalf0 * std::pow(kHalfMul, k)))); }

// 1,2,3,4, 5-6, 7-8, 9-12, 13-16, ...
size_t AgeBucket(uint32_t age) {
  if (age <= 4) return age - 1;
  const int w = std::bit_width(age - 1);  // age 5..8 -> 3
  const size_t half = ((age - 1) >> (w - 2)) & 1;
  return std::min<size_t>(4 + (w - 3) * 2 + half, ExpertPredictor::kAgeBuckets - 1);
}
double BucketWidth(size_t b) { return b < 4 ? 1 : static_cast<double>(uint64_t{1} << ((b - 4) / 2 + 1)); }

}  // namespace

ExpertPredictor::ExpertPredictor(const std::vector<uint32_t>& experts_per_layer) {
  for (uint32_t experts : experts_per_layer) {
    Layer layer;
    for (auto& r : layer.rates) r.assign(experts, 0);
    layer.last_step.assign(experts, 0);
    layer.chances.assign(experts, 0);
    layers_.push_back(layer);
  }
  weights_.fill(1.0 / kModels);
  hazard_.fill(0.01f);
}

float ExpertPredictor::Hazard(const Layer& layer, uint32_t expert) const {
  const uint32_t last = layer.last_step[expert];
  if (last == 0) return hazard_[kAgeBuckets - 1];
  return hazard_[AgeBucket(std::max(layer.step - last, 1u))];
}

double ExpertPredictor::Expected(const Layer& layer) const {
  const double n = 1 - std::pow(Beta(3), layer.step);
  return layer.totals[3] / std::max(n, 0.01);
}

void ExpertPredictor::RefreshHazard() {
  double left = 0;
  for (size_t b = kAgeBuckets; b-- > 0;) {
    const double exposure = BucketWidth(b) * (left + ages_[b] / 2 + 1);
    left += ages_[b];
    hazard_[b] = static_cast<float>((ages_[b] + 0.01) / exposure);
  }
  if (left > 100000) for (double& a : ages_) a *= 0.5;
}

void ExpertPredictor::Refresh(Layer& layer) {
  const size_t n = layer.chances.size();
  const double expected = Expected(layer);
  float* chances = layer.chances.data();
  layer.hazard_total = 1e-9;
  for (size_t u = 0; u < n; ++u) {
    const float h = Hazard(layer, static_cast<uint32_t>(u));
    layer.hazard_total += h;
    chances[u] = h;
  }
  const float f = static_cast<float>(weights_[kScales] * expected / layer.hazard_total);
  for (size_t u = 0; u < n; ++u) chances[u] *= f;
  for (size_t k = 0; k < kScales; ++k) {
    const float a = static_cast<float>(weights_[k] * expected / std::max(layer.totals[k], 1e-9));
    const float* rates = layer.rates[k].data();
    for (size_t u = 0; u < n; ++u) chances[u] += a * rates[u];
  }
}

void ExpertPredictor::BeginStep(uint32_t l) {
  Layer& layer = layers_[l];
  for (size_t k = 0; k < kScales; ++k) {
    const float beta = Beta(k);
    for (float& r : layer.rates[k]) r *= beta;
    layer.totals[k] *= beta;
  }
  ++layer.step;
  Refresh(layer);
}

void ExpertPredictor::Record(uint32_t l, uint32_t u) {
  Layer& layer = layers_[l];
  const double n = static_cast<double>(layer.chances.size());
  // responsibilities
  std::array<double, kModels> r;
  double sum = 0;
  for (size_t k = 0; k < kScales; ++k) {
    r[k] = weights_[k] * (0.98 * layer.rates[k][u] / std::max(layer.totals[k], 1e-9) + 0.02 / n);
    sum += r[k];
  }
  r[kScales] = kUseRec * weights_[kScales] * (0.98 * Hazard(layer, u) / layer.hazard_total + 0.02 / n);
  sum += r[kScales];
  const double eta = std::max(kEta, 1.0 / static_cast<double>(records_ + 10));
  for (size_t k = 0; k < kModels; ++k) {
    weights_[k] = std::max(weights_[k] + eta * (r[k] / sum - weights_[k]), kShare / kModels);
  }
  // age
  if (layer.last_step[u] != 0) ages_[AgeBucket(std::max(layer.step - layer.last_step[u], 1u))] += 1;
  layer.last_step[u] = layer.step;
  if (++records_ % 256 == 0) RefreshHazard();
  double chance = 0;
  const double expected = Expected(layer);
  for (size_t k = 0; k < kScales; ++k) {
    const float add = 1 - Beta(k);
    layer.rates[k][u] += add;
    layer.totals[k] += add;
    chance += weights_[k] * layer.rates[k][u] / layer.totals[k];
  }
  chance += weights_[kScales] * hazard_[0] / layer.hazard_total;
  layer.chances[u] = static_cast<float>(chance * expected);
}

}  // namespace ecf8
