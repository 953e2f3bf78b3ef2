// The analysis of a model that is made by hand, as text, JSON and a page.
#include "tools/ecf8/analysis_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tools/ecf8/analysis_html.h"

namespace ecf8 {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TensorAnalysis Analyzed(const std::string& name, const std::string& kind, int64_t layer,
                        uint64_t weights) {
  TensorAnalysis tensor;
  tensor.tensor = {name, DType::kF8E4M3, {weights}, weights};
  tensor.role = TensorAnalysis::Role::kFp8;
  tensor.codec = Codec::kE4M3;
  tensor.kind = kind;
  tensor.layer = layer;
  tensor.estimated_bytes = weights * 3 / 4;
  tensor.statistics.weights = weights;
  tensor.statistics.exponents = std::vector<uint64_t>(16, weights / 16);
  tensor.statistics.exponent_entropy = 2.5;
  tensor.statistics.byte_entropy = 6.4;
  tensor.statistics.limit_bits = 6.5;
  return tensor;
}

ModelAnalysis TwoLayers() {
  ModelAnalysis model;
  for (int64_t layer = 0; layer < 2; ++layer) {
    TensorAnalysis& tensor = model.tensors.emplace_back(
        Analyzed("layers." + std::to_string(layer) + ".q", "q_proj", layer, 160'000));
    tensor.statistics.fit = StableFit{1.7, 3};
    tensor.statistics.predicted_entropy = 2.6;
    tensor.statistics.predicted_exponents = std::vector<double>(16, 1.0 / 16);
  }
  TensorAnalysis& raw = model.tensors.emplace_back();
  raw.tensor = {"norm", DType::kBF16, {10}, 20};
  raw.estimated_bytes = 20;
  model.raw_bytes = 320'020;
  model.unanalyzed_bytes = 20;
  model.tables_bytes = 256;
  model.estimated_bytes = 240'276;
  model.directory_bytes = 330'000;
  model.estimated_directory_bytes = 250'000;
  return model;
}

TEST(AnalysisReport, NumbersReadWell) {
  EXPECT_EQ(FormatCount(9'999), "9999");
  EXPECT_EQ(FormatCount(10'000), "10.0 k");
  EXPECT_EQ(FormatCount(106'200'000), "106.2 M");
  EXPECT_EQ(FormatCount(671'000'000'000), "671.0 G");
  EXPECT_EQ(FormatSaving(1000, 852), "14.8 %");
  EXPECT_EQ(FormatSaving(0, 0), "-");
  EXPECT_EQ(FormatDecimals(2.6814, 3), "2.681");
}

TEST(AnalysisReport, TextHasARowAKindAndATotal) {
  const std::string text = AnalysisText(TwoLayers(), false);
  EXPECT_THAT(text, HasSubstr("q_proj"));
  EXPECT_THAT(text, HasSubstr("320.0 k"));
  EXPECT_THAT(text, HasSubstr("all, with tables"));
  EXPECT_THAT(text, HasSubstr("alpha = 1.70"));
  EXPECT_THAT(text, HasSubstr("Worth compressing"));
  EXPECT_THAT(text, Not(HasSubstr("layers.1.q")));
  EXPECT_THAT(AnalysisText(TwoLayers(), true), HasSubstr("layers.1.q"));
}

TEST(AnalysisReport, AdviceDependsOnWhatThereIs) {
  EXPECT_THAT(AnalysisAdvice({}), HasSubstr("nothing here"));
  ModelAnalysis model = TwoLayers();
  model.estimated_directory_bytes = model.directory_bytes - 100;
  EXPECT_THAT(AnalysisAdvice(model), HasSubstr("Not worth compressing"));
  model.is_compressed = true;
  model.stored_bytes = 240'000;
  EXPECT_THAT(AnalysisAdvice(model), HasSubstr("is compressed"));
  model = TwoLayers();
  for (TensorAnalysis& tensor : model.tensors) {
    if (tensor.role == TensorAnalysis::Role::kFp8) tensor.role = TensorAnalysis::Role::kCast;
  }
  // One in sixteen has exponent 0.
  EXPECT_THAT(AnalysisAdvice(model), HasSubstr("6.2 % of them become subnormal"));
}

TEST(AnalysisReport, JsonHasEverythingAndNullsForWhatThereIsNot) {
  const nlohmann::ordered_json json = AnalysisJson(TwoLayers());
  EXPECT_EQ(json["estimated_bytes"], 240'276);
  EXPECT_TRUE(json["stored_bytes"].is_null());
  EXPECT_EQ(json["all"]["weights"], 320'000);
  EXPECT_DOUBLE_EQ(json["all"]["limit_bits_per_weight"], 6.5);
  EXPECT_DOUBLE_EQ(json["all"]["theory"]["alpha"], 1.7);
  ASSERT_EQ(json["kinds"].size(), 1u);
  EXPECT_EQ(json["kinds"][0]["kind"], "q_proj");
  ASSERT_EQ(json["tensors"].size(), 3u);
  EXPECT_EQ(json["tensors"][1]["layer"], 1);
  EXPECT_EQ(json["tensors"][1]["analyzed_as"], "fp8");
  EXPECT_TRUE(json["tensors"][2]["layer"].is_null());
  EXPECT_EQ(json["tensors"][2]["analyzed_as"], "raw");
  EXPECT_EQ(json["raw"][0]["dtype"], "BF16");
}

TEST(AnalysisHtml, IsOnePageWithoutScriptOrNetwork) {
  const std::string page = AnalysisHtml(TwoLayers(), "my <model>");
  EXPECT_THAT(page, HasSubstr("<title>my &lt;model&gt; - ecf8 analyze</title>"));
  for (const char* part :
       {"exponent histogram of q_proj", "exponent entropy by layer", "q_proj, layer 1: H = 2.500",
        "measured against predicted exponent entropy", "&alpha; = 1.70", "25.0 %", "</html>"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  for (const char* part : {"<script", "http://", "https://", "src=", "@import", "nan", "inf\""}) {
    EXPECT_THAT(page, Not(HasSubstr(part)));
  }
}

TEST(AnalysisHtml, NamesFromFilesAreNoMarkup) {
  ModelAnalysis model = TwoLayers();
  for (TensorAnalysis& tensor : model.tensors) tensor.kind = "<img src=x>";
  EXPECT_THAT(AnalysisHtml(model, "m"), Not(HasSubstr("<img")));
}

TEST(AnalysisHtml, AModelWithNothingToAnalyseHasNoPlots) {
  const std::string page = AnalysisHtml({}, "m");
  EXPECT_THAT(page, HasSubstr("nothing here"));
  EXPECT_THAT(page, Not(HasSubstr("<svg")));
}

TEST(AnalysisHtml, StaysSmallWithManyKinds) {
  ModelAnalysis model;
  for (int kind = 0; kind < 300; ++kind) {
    for (int64_t layer = 0; layer < 20; ++layer) {
      model.tensors.push_back(Analyzed("t", "kind" + std::to_string(kind), layer, 1600));
    }
  }
  model.raw_bytes = model.directory_bytes = 9'600'000;
  const std::string page = AnalysisHtml(model, "m");
  EXPECT_LT(page.size(), 1'000'000u);
  EXPECT_THAT(page, HasSubstr("and 200 smaller kinds"));
}

}  // namespace
}  // namespace ecf8
