#include "loader/analysis/group_summary.h"

#include "gtest/gtest.h"

namespace ecf8 {
namespace {

TensorAnalysis Analyzed(const std::string& kind, int64_t layer, uint64_t weights, double entropy) {
  TensorAnalysis tensor;
  tensor.role = TensorAnalysis::Role::kFp8;
  tensor.kind = kind;
  tensor.layer = layer;
  tensor.estimated_bytes = weights / 2;
  tensor.statistics.weights = weights;
  tensor.statistics.exponents = {weights, 0};
  tensor.statistics.exponent_entropy = entropy;
  return tensor;
}

ModelAnalysis SmallModel() {
  ModelAnalysis model;
  model.tensors = {Analyzed("q", 0, 100, 2), Analyzed("q", 1, 300, 3), Analyzed("up", 0, 900, 1)};
  model.tensors[1].statistics.fit = StableFit{1.5, 1};
  model.tensors[1].statistics.predicted_entropy = 2.5;
  model.tensors[1].statistics.predicted_exponents = {0.25, 0.75};
  TensorAnalysis& raw = model.tensors.emplace_back();
  raw.tensor = {"norm", DType::kBF16, {10}, 20};
  raw.estimated_bytes = 20;
  return model;
}

TEST(GroupSummary, AveragesOverWeights) {
  const GroupSummary all = SummarizeAll(SmallModel());
  EXPECT_EQ(all.tensors, 3U);
  EXPECT_EQ(all.weights, 1300U);
  EXPECT_DOUBLE_EQ(all.exponent_entropy, (200.0 + 900 + 900) / 1300);
  EXPECT_DOUBLE_EQ(all.bits_per_weight(), 4);
  EXPECT_EQ(all.exponents[0], 1300U);
}

TEST(GroupSummary, AveragesTheTheoryOverFittedTensors) {
  const GroupSummary all = SummarizeAll(SmallModel());
  EXPECT_EQ(all.fitted_weights, 300U);
  EXPECT_DOUBLE_EQ(all.alpha, 1.5);
  EXPECT_DOUBLE_EQ(all.predicted_entropy, 2.5);
  EXPECT_DOUBLE_EQ(all.fitted_entropy, 3);
  EXPECT_DOUBLE_EQ(all.predicted_exponents[1], 0.75);
}

TEST(GroupSummary, SortsKindsByWeights) {
  const std::vector<GroupSummary> kinds = SummarizeKinds(SmallModel());
  ASSERT_EQ(kinds.size(), 2U);
  EXPECT_EQ(kinds[0].kind, "up");
  EXPECT_EQ(kinds[1].kind, "q");
  EXPECT_DOUBLE_EQ(kinds[1].exponent_entropy, 2.75);
}

TEST(GroupSummary, SortsLayersByKindAndDepth) {
  const std::vector<GroupSummary> layers = SummarizeLayers(SmallModel());
  ASSERT_EQ(layers.size(), 3U);
  EXPECT_EQ(layers[0].kind, "q");
  EXPECT_EQ(layers[0].layer, 0);
  EXPECT_EQ(layers[1].layer, 1);
  EXPECT_EQ(layers[2].kind, "up");
}

TEST(GroupSummary, CountsRawTensorsByType) {
  const std::vector<GroupSummary> raw = SummarizeRaw(SmallModel());
  ASSERT_EQ(raw.size(), 1U);
  EXPECT_EQ(raw[0].kind, "BF16");
  EXPECT_EQ(raw[0].weights, 10U);
  EXPECT_EQ(raw[0].estimated_bytes, 20U);
}

TEST(GroupSummary, OfNoTensorsIsZero) {
  const GroupSummary all = SummarizeAll(ModelAnalysis());
  EXPECT_EQ(all.bits_per_weight(), 0);
  EXPECT_EQ(all.exponent_entropy, 0);
  EXPECT_TRUE(SummarizeKinds(ModelAnalysis()).empty());
}

}  // namespace
}  // namespace ecf8
