// Analysed tensors summed by kind and layer, for tables and plots.
#ifndef ECF8_LOADER_ANALYSIS_GROUP_SUMMARY_H_
#define ECF8_LOADER_ANALYSIS_GROUP_SUMMARY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "loader/analysis/analyze.h"

namespace ecf8 {

// Means are over weights, of the tensors' own figures: as the codes are made for tensors (and
// finer), the entropy of the sum of their histograms would mean nothing.
struct GroupSummary {
  std::string kind;
  int64_t layer = -1;  // of the main stack; -1 where the group is not one layer's
  uint64_t tensors = 0;
  uint64_t weights = 0;
  uint64_t estimated_bytes = 0;     // without tables
  uint64_t stored_bytes = 0;        // in a compressed model; without tables
  std::vector<uint64_t> exponents;  // the sum; 16 values (32 where E5M2 is among them)

  double exponent_entropy = 0;
  double byte_entropy = 0;
  double limit_bits = 0;
  double own_exponent_entropy = 0;  // kCast

  uint64_t fitted_weights = 0;  // of tensors that show a law; the means below are over these
  double alpha = 0;
  std::vector<double> predicted_exponents;  // shares; their sum is 1
  double predicted_entropy = 0;
  double fitted_entropy = 0;  // measured, of the same tensors: what to compare the prediction with
  double paper_limit_bits = 0;

  double bits_per_weight() const {
    return weights == 0 ? 0
                        : 8.0 * static_cast<double>(estimated_bytes) / static_cast<double>(weights);
  }
};

// One analysed tensor.
GroupSummary SummarizeTensor(const TensorAnalysis& tensor);

// All analysed tensors.
GroupSummary SummarizeAll(const ModelAnalysis& model);

// By decreasing number of weights; without kinds that have none.
std::vector<GroupSummary> SummarizeKinds(const ModelAnalysis& model);

// One group a kind and layer of the main stack, sorted by kind, then layer.
std::vector<GroupSummary> SummarizeLayers(const ModelAnalysis& model);

// Tensors that are not analysed, one group a dtype (its name is the kind); weights are elements.
std::vector<GroupSummary> SummarizeRaw(const ModelAnalysis& model);

}  // namespace ecf8

#endif  // ECF8_LOADER_ANALYSIS_GROUP_SUMMARY_H_
