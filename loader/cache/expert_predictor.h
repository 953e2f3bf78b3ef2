// How likely each expert of a model is to be used by the next token, learned from what was used.
#ifndef ECF8_LOADER_CACHE_EXPERT_PREDICTOR_H_
#define ECF8_LOADER_CACHE_EXPERT_PREDICTOR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace ecf8 {

class ExpertPredictor {
 public:
  explicit ExpertPredictor(const std::vector<uint32_t>& experts_per_layer);

  void BeginStep(uint32_t layer);
  void Record(uint32_t layer, uint32_t expert);
  absl::Span<const float> Chances(uint32_t layer) const { return layers_[layer].chances; }

  static constexpr size_t kScales = 6;
  static constexpr size_t kAgeBuckets = 32;
  static constexpr size_t kModels = kScales + 1;
  const std::array<double, kModels>& weights() const { return weights_; }

 private:
  struct Layer {
    std::array<std::vector<float>, kScales> rates;
    std::array<double, kScales> totals{};
    std::vector<uint32_t> last_step;  // 0: never
    std::vector<float> chances;
    uint32_t step = 1;
    double hazard_total = 1;
  };
  void Refresh(Layer& layer);
  void RefreshHazard();
  float Hazard(const Layer& layer, uint32_t expert) const;
  double Expected(const Layer& layer) const;

  std::vector<Layer> layers_;
  std::array<double, kModels> weights_;
  std::array<double, kAgeBuckets> ages_{};
  std::array<float, kAgeBuckets> hazard_{};
  uint64_t records_ = 0;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_EXPERT_PREDICTOR_H_
