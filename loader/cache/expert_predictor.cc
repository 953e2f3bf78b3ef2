#include "loader/cache/expert_predictor.h"

#include <algorithm>
#include <cmath>

namespace ecf8 {
namespace {

constexpr double kHalfLifeSteps[] = {8, 64, 512};
constexpr double kPriorUses = 0.1;       // of each expert, in every frequency
constexpr double kLearningRate = 0.005;  // of the mixture's weights
constexpr double kLeastWeight = 0.001;   // so that no source is out for ever
constexpr double kFirstWeight = 0.6;     // of kSinceChange, before anything is known
constexpr double kUsesPerStepRate = 1.0 / 16;
constexpr double kSeedSteps = 64;  // what is taken up counts as so many steps

// A step that uses more than three times as many experts as usual, and a quarter of the layer's, is
// a scan. A change of the batch size looks like one until the usual number has followed.
constexpr double kScanFactor = 3;
constexpr double kScanShare = 0.25;

}  // namespace

ExpertPredictor::ExpertPredictor(const std::vector<uint32_t>& experts_per_layer) {
  layers_.resize(experts_per_layer.size());
  for (size_t l = 0; l < layers_.size(); ++l) {
    Layer& layer = layers_[l];
    const uint32_t experts = experts_per_layer[l];
    for (std::vector<float>& sums : layer.sums) sums.assign(experts, 0);
    layer.last_step.assign(experts, 0);
    layer.chances.assign(experts, 0);
    layer.uses_per_step = std::max(1.0, experts / 32.0);
    std::fill(layer.chances.begin(), layer.chances.end(),
              static_cast<float>(layer.uses_per_step / std::max(experts, 1u)));
  }
  weights_.fill((1 - kFirstWeight) / (kSources - 1));
  weights_[kSinceChange] = kFirstWeight;
}

void ExpertPredictor::BeginStep(size_t l) {
  Layer& layer = layers_[l];
  EndStep(layer);
  for (size_t k = 0; k < kSinceChange; ++k) {
    const auto decay = static_cast<float>(std::exp2(-1 / kHalfLifeSteps[k]));
    for (float& sum : layer.sums[k]) sum *= decay;
    layer.totals[k] *= decay;
  }
  ++layer.step;
  layer.step_uses.clear();
  layer.step_use_count = 0;
  layer.scan = false;
  layer.weights_before = weights_;
  layer.change_before = change_;
  Refresh(layer);
}

void ExpertPredictor::EndStep(Layer& layer) {
  if (layer.step_use_count == 0) return;
  if (!layer.scan) {
    for (const StepUse& use : layer.step_uses) {
      if (use.last_step != 0) hazard_.Record(layer.step - use.last_step);
    }
  }
  const double rate = std::max(kUsesPerStepRate, 1.0 / layer.step);
  const double count = layer.step_use_count;
  layer.uses_per_step += rate * (std::min(count, 4 * layer.uses_per_step) - layer.uses_per_step);
}

void ExpertPredictor::Use(size_t l, uint32_t expert) {
  Layer& layer = layers_[l];
  ++layer.step_use_count;
  if (layer.scan) return;
  const auto experts = static_cast<double>(layer.chances.size());
  if (layer.step > 1 && layer.step_use_count > kScanFactor * layer.uses_per_step &&
      layer.step_use_count > kScanShare * experts) {
    TakeBackStep(layer);
    return;
  }
  Learn(layer, expert);
  layer.step_uses.push_back({expert, layer.last_step[expert]});
  layer.last_step[expert] = layer.step;
  Count(layer, expert, 1);
  RefreshOne(layer, expert);
}

void ExpertPredictor::Count(Layer& layer, uint32_t expert, float uses) {
  for (size_t k = 0; k < kFrequencies; ++k) {
    layer.sums[k][expert] = std::max(layer.sums[k][expert] + uses, 0.0f);
    layer.totals[k] = std::max(layer.totals[k] + uses, 0.0);
  }
}

void ExpertPredictor::TakeBackStep(Layer& layer) {
  layer.scan = true;
  weights_ = layer.weights_before;
  change_ = layer.change_before;
  for (const StepUse& use : layer.step_uses) {
    Count(layer, use.expert, -1);
    layer.last_step[use.expert] = use.last_step;
    RefreshOne(layer, use.expert);
  }
}

ExpertPredictor::Shares ExpertPredictor::SharesOf(const Layer& layer, uint32_t expert) const {
  const auto experts = static_cast<double>(layer.chances.size());
  Shares shares;
  for (size_t k = 0; k < kFrequencies; ++k) {
    shares[k] = (layer.sums[k][expert] + kPriorUses) / (layer.totals[k] + kPriorUses * experts);
  }
  shares[kRecency] = hazard_.Chance(layer.step - layer.last_step[expert]) / layer.hazard_total;
  shares[kUniform] = 1 / experts;
  return shares;
}

void ExpertPredictor::Learn(const Layer& layer, uint32_t expert) {
  const Shares shares = SharesOf(layer, expert);
  double mixture = 0;
  for (size_t k = 0; k < kSources; ++k) mixture += weights_[k] * shares[k];
  const double rate = std::max(kLearningRate, 1 / static_cast<double>(++learned_ + 10));
  for (size_t k = 0; k < kSources; ++k) {
    const double responsibility = weights_[k] * shares[k] / mixture;
    weights_[k] = std::max(weights_[k] + rate * (responsibility - weights_[k]), kLeastWeight);
  }
  if (change_.Add(-std::log(shares[kSinceChange]))) ForgetSinceChange();
}

void ExpertPredictor::ForgetSinceChange() {
  for (Layer& layer : layers_) {
    std::fill(layer.sums[kSinceChange].begin(), layer.sums[kSinceChange].end(), 0.0f);
    layer.totals[kSinceChange] = 0;
    Refresh(layer);
  }
}

void ExpertPredictor::Refresh(Layer& layer) {
  const size_t experts = layer.chances.size();
  float* const chances = layer.chances.data();
  float hazard_total = 0;
  for (size_t i = 0; i < experts; ++i) {
    chances[i] = hazard_.Chance(layer.step - layer.last_step[i]);
    hazard_total += chances[i];
  }
  layer.hazard_total = std::max<double>(hazard_total, 1e-9);
  // A source's part of a chance is factor * value + base.
  double base = weights_[kUniform] * layer.uses_per_step / static_cast<double>(experts);
  std::array<float, kFrequencies> factors;
  for (size_t k = 0; k < kFrequencies; ++k) {
    const double total = layer.totals[k] + kPriorUses * static_cast<double>(experts);
    const double factor = weights_[k] * layer.uses_per_step / total;
    factors[k] = static_cast<float>(factor);
    base += factor * kPriorUses;
  }
  const auto hazard_factor =
      static_cast<float>(weights_[kRecency] * layer.uses_per_step / layer.hazard_total);
  const auto common = static_cast<float>(base);
  for (size_t i = 0; i < experts; ++i) chances[i] = hazard_factor * chances[i] + common;
  for (size_t k = 0; k < kFrequencies; ++k) {
    const float* const sums = layer.sums[k].data();
    for (size_t i = 0; i < experts; ++i) chances[i] += factors[k] * sums[i];
  }
}

void ExpertPredictor::RefreshOne(Layer& layer, uint32_t expert) {
  const Shares shares = SharesOf(layer, expert);
  double mixture = 0;
  for (size_t k = 0; k < kSources; ++k) mixture += weights_[k] * shares[k];
  layer.chances[expert] = static_cast<float>(mixture * layer.uses_per_step);
}

void ExpertPredictor::Seed(size_t l, absl::Span<const float> chances) {
  Layer& layer = layers_[l];
  double total = 0;
  for (const float chance : chances) total += chance;
  if (total <= 0) return;
  layer.uses_per_step = std::max(total, 1.0);
  for (const Source source : {kSlow, kSinceChange}) {
    layer.totals[source] = 0;
    for (size_t i = 0; i < layer.chances.size(); ++i) {
      layer.sums[source][i] = static_cast<float>(chances[i] * kSeedSteps);
      layer.totals[source] += layer.sums[source][i];
    }
  }
  Refresh(layer);
}

}  // namespace ecf8
