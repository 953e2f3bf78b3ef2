#include "loader/planning/expert_hits.h"

#include <algorithm>
#include <cmath>

#include "loader/cache/schedule_policy.h"
#include "loader/cache/simulator/generators.h"
#include "loader/cache/simulator/simulate.h"

namespace ecf8 {
namespace {

constexpr uint32_t kSimulatedLayers = 2;
constexpr uint32_t kSimulatedTokens = 2000;

// Chances of weights w_i when k of them are drawn without replacement, as of independent draws that
// are k on average: 1 - exp(-l w_i), with l by bisection. Within a percent for k far below n.
std::vector<double> Chances(uint32_t experts, uint32_t per_token, double skew) {
  std::vector<double> weights(experts);
  for (uint32_t i = 0; i < experts; ++i) weights[i] = std::pow(i + 1.0, -skew);
  const auto sum = [&](double scale) {
    double total = 0;
    for (const double weight : weights) total += -std::expm1(-scale * weight);
    return total;
  };
  double low = 0;
  double high = 1;
  while (sum(high) < per_token && high < 1e18) high *= 2;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (sum(middle) < per_token ? low : high) = middle;
  }
  for (double& weight : weights) weight = -std::expm1(-high * weight);
  return weights;
}

}  // namespace

ExpertHits::ExpertHits(uint32_t experts, uint32_t per_token, double skew)
    : per_token_(per_token), skew_(skew), chances_(Chances(experts, per_token, skew)) {}

double ExpertHits::UseChance(double chance, uint32_t batch) const {
  return -std::expm1(batch * std::log1p(-std::min(chance, 1 - 1e-12)));
}

double ExpertHits::Distinct(uint32_t batch) const {
  double distinct = 0;
  for (const double chance : chances_) distinct += UseChance(chance, batch);
  return distinct;
}

double ExpertHits::StaticHitRate(double share, uint32_t batch) const {
  const double held = share * static_cast<double>(chances_.size());
  double hits = 0;
  for (size_t i = 0; i < chances_.size(); ++i) {
    const double part = std::clamp(held - static_cast<double>(i), 0.0, 1.0);
    hits += part * UseChance(chances_[i], batch);
  }
  return hits / Distinct(batch);
}

double ExpertHits::SimulatedHitRate(double share) {
  const auto percent = static_cast<uint32_t>(std::lround(100 * share));
  const auto known = found_.find(percent);
  if (known != found_.end()) return known->second;
  const ExpertShape shape{.layers = kSimulatedLayers,
                          .experts = static_cast<uint32_t>(chances_.size()),
                          .experts_per_token = per_token_,
                          .expert_bytes = 1};
  const GeneratedTrace generated =
      GenerateExpertTrace(shape, {.skew = skew_}, kSimulatedTokens, /*seed=*/1);
  const uint64_t budget = uint64_t{kSimulatedLayers} * chances_.size() * percent / 100;
  const std::unique_ptr<SchedulePolicy> policy = MakeSchedulePolicy(budget);
  const double rate = Simulate(generated.trace, budget, *policy).hit_rate();
  return found_[percent] = rate;
}

double ExpertHits::HitRate(double share, uint32_t batch) {
  if (share <= 0) return 0;
  if (share >= 1) return 1;
  const double ideal = StaticHitRate(share, 1);
  const double reached = ideal > 0 ? std::min(SimulatedHitRate(share) / ideal, 1.0) : 0;
  return reached * StaticHitRate(share, batch);
}

}  // namespace ecf8
