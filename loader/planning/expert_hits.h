// How many of a layer's experts a step uses, and how many of these a cache has.
#ifndef ECF8_LOADER_PLANNING_EXPERT_HITS_H_
#define ECF8_LOADER_PLANNING_EXPERT_HITS_H_

#include <cstdint>
#include <map>
#include <vector>

namespace ecf8 {

// Expert r of a layer is chosen with a weight of 1/r^skew, `per_token` of them without replacement.
// Thread-compatible.
class ExpertHits {
 public:
  ExpertHits(uint32_t experts, uint32_t per_token, double skew);

  // Expected number of different experts that `batch` tokens use.
  double Distinct(uint32_t batch) const;

  // The share of them that a cache for `share` of the layer's experts has, in the long run. At one
  // token a step it is what the cache simulator finds for our policy. At more, what the `share` of
  // most frequent experts get, times what our policy reaches of that at one token.
  double HitRate(double share, uint32_t batch);

 private:
  // That an expert is among those of `batch` tokens.
  double UseChance(double chance, uint32_t batch) const;
  double StaticHitRate(double share, uint32_t batch) const;
  double SimulatedHitRate(double share);

  const uint32_t per_token_;
  const double skew_;
  std::vector<double> chances_;       // that a token uses it; falling
  std::map<uint32_t, double> found_;  // simulated, by percent of the experts
};

}  // namespace ecf8

#endif  // ECF8_LOADER_PLANNING_EXPERT_HITS_H_
