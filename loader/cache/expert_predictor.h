// How likely each expert of a model is to be used by the next token, learned from what was used.
//
// Several simple predictors watch the same uses: decayed frequencies with half-lives of 8, 64 and
// 512 tokens, plain frequencies since the last change of topic, the time since the last use, and
// one that prefers nothing. Each gives every expert of a layer a share of the next token; the
// prediction is their mixture, and the mixture's weights, common to all layers, are those under
// which the uses seen were likeliest (stochastic expectation maximisation: Cappe and Moulines,
// "On-line expectation-maximization algorithm for latent data models", JRSS B 71, 2009). So the
// model's own traffic decides between frequency and recency. A change of topic shows in all layers
// at once as a surprise to the plain frequencies, which then begin anew.
//
// Time is counted in steps: a token's, or a batch's, visit to a layer. A step that uses most of a
// layer's experts says nothing about any of them (a prefill): what was learned from its beginning
// is taken back.
#ifndef ECF8_LOADER_CACHE_EXPERT_PREDICTOR_H_
#define ECF8_LOADER_CACHE_EXPERT_PREDICTOR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "loader/cache/age_hazard.h"
#include "loader/cache/change_detector.h"

namespace ecf8 {

// Of one model. A use costs O(1), a step O(experts of the layer). Thread-compatible.
class ExpertPredictor {
 public:
  explicit ExpertPredictor(const std::vector<uint32_t>& experts_per_layer);

  void BeginStep(size_t layer);

  // Within the step that was begun last for this layer; an expert is used at most once in it.
  void Use(size_t layer, uint32_t expert);

  // Of every expert of the layer: the chance that a step uses it. Valid until the next call of a
  // function that is not const.
  absl::Span<const float> Chances(size_t layer) const { return layers_[layer].chances; }

  // Takes up what another predictor of the same model had learned: its Chances, each in [0, 1].
  void Seed(size_t layer, absl::Span<const float> chances);

 private:
  // Frequencies: sums of uses, each counted less from step to step; kSinceChange forgets at once.
  enum Source : size_t { kFast, kMiddle, kSlow, kSinceChange, kRecency, kUniform, kSources };
  static constexpr size_t kFrequencies = kSinceChange + 1;

  using Shares = std::array<double, kSources>;

  struct StepUse {
    uint32_t expert;
    uint32_t last_step;  // before this one
  };
  struct Layer {
    std::array<std::vector<float>, kFrequencies> sums;  // by expert
    std::array<double, kFrequencies> totals{};
    std::vector<uint32_t> last_step;  // by expert; 0: never used
    std::vector<float> chances;
    uint32_t step = 0;
    double uses_per_step = 1;
    double hazard_total = 1;  // of all experts, when the step began

    // The step that was begun last.
    std::vector<StepUse> step_uses;
    uint32_t step_use_count = 0;
    bool scan = false;
    Shares weights_before{};
    ChangeDetector change_before;
  };

  void EndStep(Layer& layer);
  void Refresh(Layer& layer);
  void RefreshOne(Layer& layer, uint32_t expert);
  Shares SharesOf(const Layer& layer, uint32_t expert) const;
  void Learn(const Layer& layer, uint32_t expert);
  void Count(Layer& layer, uint32_t expert, float uses);
  void TakeBackStep(Layer& layer);
  void ForgetSinceChange();

  std::vector<Layer> layers_;
  Shares weights_;
  AgeHazard hazard_;
  ChangeDetector change_;
  uint64_t learned_ = 0;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CACHE_EXPERT_PREDICTOR_H_
