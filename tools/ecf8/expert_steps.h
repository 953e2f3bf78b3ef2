// A model with experts as the steps of a pass over it.
#ifndef ECF8_TOOLS_ECF8_EXPERT_STEPS_H_
#define ECF8_TOOLS_ECF8_EXPERT_STEPS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/cache/simulator/generators.h"
#include "loader/model/compressed_model.h"

namespace ecf8 {

// Units are numbers in the walk of the model.
struct ExpertStep {
  std::vector<uint32_t> dense;                 // which every pass uses, before the experts
  std::vector<std::vector<uint32_t>> experts;  // a layer's, each of one unit or several; or none
};

// Every unit of the model, in walk order: dense ones up to a layer's experts, then those.
struct ExpertSteps {
  std::vector<ExpertStep> steps;
  uint32_t layers = 0;   // steps with experts
  uint32_t experts = 0;  // of each of them
};

// FAILED_PRECONDITION for a model without experts, or whose layers differ in their number.
absl::StatusOr<ExpertSteps> ListExpertSteps(const CompressedModel& model);

// The experts that tokens use, as generators.h draws them: of every layer of every token in turn
// `per_token`, by number in their layer.
std::vector<std::vector<uint32_t>> DrawExperts(const ExpertSteps& steps, uint32_t per_token,
                                               const ExpertTraffic& traffic, uint32_t tokens,
                                               uint64_t seed);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_EXPERT_STEPS_H_
