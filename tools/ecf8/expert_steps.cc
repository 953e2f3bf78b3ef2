#include "tools/ecf8/expert_steps.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/unit_place.h"

namespace ecf8 {

absl::StatusOr<ExpertSteps> ListExpertSteps(const CompressedModel& model) {
  ExpertSteps result;
  std::string_view expert;  // the last unit's, without the number of its part
  for (uint32_t i = 0; i < model.unit_count(); ++i) {
    const std::string_view id = model.unit(i).id;
    const bool is_expert = PlaceOfUnit(id).expert;
    if (result.steps.empty() || (!is_expert && !result.steps.back().experts.empty())) {
      result.steps.emplace_back();
    }
    ExpertStep& step = result.steps.back();
    if (!is_expert) {
      step.dense.push_back(i);
      continue;
    }
    const std::string_view name = id.substr(0, id.find('#'));
    if (name != expert) step.experts.emplace_back();
    expert = name;
    step.experts.back().push_back(i);
  }
  for (const ExpertStep& step : result.steps) {
    if (step.experts.empty()) continue;
    ++result.layers;
    const auto count = static_cast<uint32_t>(step.experts.size());
    if (result.experts == 0) result.experts = count;
    if (result.experts != count) {
      return absl::FailedPreconditionError(
          absl::StrCat("model ", Quoted(model.name()), ": a layer has ", count,
                       " experts, one before it ", result.experts));
    }
  }
  if (result.layers == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("model ", Quoted(model.name()), " has no experts"));
  }
  return result;
}

std::vector<std::vector<uint32_t>> DrawExperts(const ExpertSteps& steps, uint32_t per_token,
                                               const ExpertTraffic& traffic, uint32_t tokens,
                                               uint64_t seed) {
  const ExpertShape shape = {
      .layers = steps.layers, .experts = steps.experts, .experts_per_token = per_token};
  const Trace trace = GenerateExpertTrace(shape, traffic, tokens, seed).trace;
  std::vector<std::vector<uint32_t>> choices(size_t{tokens} * steps.layers);
  for (size_t i = 0; i < trace.records.size(); ++i) {
    choices[i / per_token].push_back(trace.records[i].unit % steps.experts);
  }
  return choices;
}

}  // namespace ecf8
