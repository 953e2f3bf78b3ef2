#include "loader/analysis/group_summary.h"

#include <algorithm>
#include <map>
#include <utility>

namespace ecf8 {
namespace {

using Role = TensorAnalysis::Role;

// Sums first, divided at the end.
class Summer {
 public:
  void Add(const TensorAnalysis& tensor) {
    const TensorStatistics& statistics = tensor.statistics;
    const auto weights = static_cast<double>(statistics.weights);
    ++sum_.tensors;
    sum_.weights += statistics.weights;
    sum_.estimated_bytes += tensor.estimated_bytes;
    sum_.stored_bytes += tensor.stored_bytes;
    if (sum_.exponents.size() < statistics.exponents.size()) {
      sum_.exponents.resize(statistics.exponents.size());
    }
    for (size_t i = 0; i < statistics.exponents.size(); ++i) {
      sum_.exponents[i] += statistics.exponents[i];
    }
    sum_.exponent_entropy += weights * statistics.exponent_entropy;
    sum_.byte_entropy += weights * statistics.byte_entropy;
    sum_.limit_bits += weights * statistics.limit_bits;
    sum_.own_exponent_entropy += weights * tensor.own_exponent_entropy;
    if (!statistics.fit.has_value()) return;
    sum_.fitted_weights += statistics.weights;
    sum_.alpha += weights * statistics.fit->alpha;
    if (sum_.predicted_exponents.size() < statistics.predicted_exponents.size()) {
      sum_.predicted_exponents.resize(statistics.predicted_exponents.size());
    }
    for (size_t i = 0; i < statistics.predicted_exponents.size(); ++i) {
      sum_.predicted_exponents[i] += weights * statistics.predicted_exponents[i];
    }
    sum_.predicted_entropy += weights * statistics.predicted_entropy;
    sum_.fitted_entropy += weights * statistics.exponent_entropy;
    sum_.paper_limit_bits += weights * PaperLimitBits(statistics.fit->alpha);
  }

  GroupSummary Finish(std::string kind, int64_t layer) const {
    GroupSummary mean = sum_;
    mean.kind = std::move(kind);
    mean.layer = layer;
    const auto weights = static_cast<double>(std::max<uint64_t>(mean.weights, 1));
    for (double* value : {&mean.exponent_entropy, &mean.byte_entropy, &mean.limit_bits,
                          &mean.own_exponent_entropy}) {
      *value /= weights;
    }
    const auto fitted = static_cast<double>(std::max<uint64_t>(mean.fitted_weights, 1));
    for (double* value :
         {&mean.alpha, &mean.predicted_entropy, &mean.fitted_entropy, &mean.paper_limit_bits}) {
      *value /= fitted;
    }
    for (double& share : mean.predicted_exponents) share /= fitted;
    return mean;
  }

 private:
  GroupSummary sum_;
};

}  // namespace

GroupSummary SummarizeTensor(const TensorAnalysis& tensor) {
  Summer one;
  one.Add(tensor);
  return one.Finish(tensor.kind, tensor.layer);
}

GroupSummary SummarizeAll(const ModelAnalysis& model) {
  Summer all;
  for (const TensorAnalysis& tensor : model.tensors) {
    if (tensor.role != Role::kRaw) all.Add(tensor);
  }
  return all.Finish("all", -1);
}

std::vector<GroupSummary> SummarizeKinds(const ModelAnalysis& model) {
  std::map<std::string, Summer> kinds;
  for (const TensorAnalysis& tensor : model.tensors) {
    if (tensor.statistics.weights > 0) kinds[tensor.kind].Add(tensor);
  }
  std::vector<GroupSummary> groups;
  groups.reserve(kinds.size());
  for (const auto& [kind, sum] : kinds) groups.push_back(sum.Finish(kind, -1));
  std::stable_sort(groups.begin(), groups.end(), [](const GroupSummary& a, const GroupSummary& b) {
    return a.weights > b.weights;
  });
  return groups;
}

std::vector<GroupSummary> SummarizeLayers(const ModelAnalysis& model) {
  std::map<std::pair<std::string, int64_t>, Summer> layers;
  for (const TensorAnalysis& tensor : model.tensors) {
    if (tensor.role == Role::kRaw || tensor.layer < 0) continue;
    layers[{tensor.kind, tensor.layer}].Add(tensor);
  }
  std::vector<GroupSummary> groups;
  groups.reserve(layers.size());
  for (const auto& [key, sum] : layers) groups.push_back(sum.Finish(key.first, key.second));
  return groups;
}

std::vector<GroupSummary> SummarizeRaw(const ModelAnalysis& model) {
  std::map<std::string, GroupSummary> dtypes;
  for (const TensorAnalysis& tensor : model.tensors) {
    if (tensor.role != Role::kRaw) continue;
    GroupSummary& group = dtypes[std::string(DTypeName(tensor.tensor.dtype))];
    ++group.tensors;
    group.weights +=
        tensor.tensor.size_bytes * 8 / static_cast<uint64_t>(DTypeBits(tensor.tensor.dtype));
    group.estimated_bytes += tensor.estimated_bytes;
    group.stored_bytes += tensor.stored_bytes;
  }
  std::vector<GroupSummary> groups;
  for (auto& [kind, group] : dtypes) {
    group.kind = kind;
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace ecf8
