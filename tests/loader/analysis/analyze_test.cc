#include "loader/analysis/analyze.h"

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "decoder/endian.h"
#include "gtest/gtest.h"
#include "loader/checkpoint/safetensors.h"
#include "loader/model/compress.h"
#include "tests/decoder/weight_samples.h"
#include "tests/loader/analysis/stable_samples.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using Role = TensorAnalysis::Role;

// A plain model of one shard in a directory of its own.
class AnalyzeTest : public ::testing::Test {
 protected:
  AnalyzeTest() { std::filesystem::create_directories(root_ / "plain"); }

  void Add(const std::string& name, DType dtype, std::vector<uint64_t> shape,
           const std::vector<uint8_t>& bytes) {
    tensors_.push_back({name, dtype, std::move(shape), data_.size(), data_.size() + bytes.size()});
    data_.insert(data_.end(), bytes.begin(), bytes.end());
  }

  void AddFp8(const std::string& name, uint64_t rows, uint64_t columns, std::string_view weights) {
    const Codec codec = Codec::kE4M3;
    Add(name, DType::kF8E4M3, {rows, columns},
        MakeWeights(weights, codec, rows * columns, tensors_.size()));
  }

  std::string Write() {
    const std::string json = WriteSafetensorsJson(tensors_, nullptr);
    uint8_t length[8];
    StoreLe64(length, json.size());
    std::ofstream file(root_ / "plain" / "model.safetensors", std::ios::binary);
    file.write(reinterpret_cast<const char*>(length), 8);
    file << json;
    file.write(reinterpret_cast<const char*>(data_.data()),
               static_cast<std::streamsize>(data_.size()));
    return root_ / "plain";
  }

  static ModelAnalysis Analyze(const std::string& path, int threads = 2) {
    JobOptions options;
    options.threads = threads;
    auto model = AnalyzeModel(path, options);
    EXPECT_TRUE(model.ok()) << model.status();
    return model.ok() ? *std::move(model) : ModelAnalysis();
  }

  static const TensorAnalysis& Find(const ModelAnalysis& model, std::string_view name) {
    for (const TensorAnalysis& tensor : model.tensors) {
      if (tensor.tensor.name == name) return tensor;
    }
    ADD_FAILURE() << "no tensor " << name;
    return model.tensors[0];
  }

  const testing::TempDir directory_;
  const std::filesystem::path root_ = directory_.path();

 private:
  std::vector<SafetensorsTensor> tensors_;
  std::vector<uint8_t> data_;
};

TEST_F(AnalyzeTest, AnalysesFp8AndCountsTheRestAsRaw) {
  AddFp8("model.layers.0.self_attn.q_proj.weight", 300, 512, "gaussian");
  AddFp8("model.layers.1.self_attn.q_proj.weight", 300, 512, "gaussian");
  Add("model.embed_tokens.weight", DType::kBF16, {10, 10}, std::vector<uint8_t>(200));
  const ModelAnalysis model = Analyze(Write());
  const TensorAnalysis& q = Find(model, "model.layers.1.self_attn.q_proj.weight");
  EXPECT_EQ(q.role, Role::kFp8);
  EXPECT_EQ(q.kind, "self_attn.q_proj");
  EXPECT_EQ(q.layer, 1);
  EXPECT_EQ(q.statistics.weights, 300U * 512);
  EXPECT_LT(q.estimated_bytes, 300U * 512);
  EXPECT_TRUE(q.statistics.fit.has_value());
  const TensorAnalysis& embed = Find(model, "model.embed_tokens.weight");
  EXPECT_EQ(embed.role, Role::kRaw);
  EXPECT_EQ(embed.estimated_bytes, 200U);
  EXPECT_EQ(model.raw_bytes, 2U * 300 * 512 + 200);
  EXPECT_FALSE(model.is_compressed);
}

// The acceptance line of `analyze`: on a model whose units are larger than the sample, too.
TEST_F(AnalyzeTest, EstimatesWhatCompressGives) {
  for (int layer = 0; layer < 2; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer);
    AddFp8(prefix + ".mlp.up_proj.weight", 2048, 2700, "gaussian");
    AddFp8(prefix + ".mlp.down_proj.weight", 2700, 2048, "mixed");
    Add(prefix + ".norm.weight", DType::kBF16, {2048}, std::vector<uint8_t>(4096));
  }
  const std::string plain = Write();
  const std::string compressed = root_ / "compressed";
  const auto summary = CompressModel(plain, compressed, JobOptions());
  ASSERT_TRUE(summary.ok()) << summary.status();

  const ModelAnalysis before = Analyze(plain);
  const ModelAnalysis after = Analyze(compressed);
  EXPECT_TRUE(after.is_compressed);
  EXPECT_EQ(after.directory_bytes, summary->stored_bytes);
  const auto stored = static_cast<double>(after.stored_bytes);
  EXPECT_NEAR(static_cast<double>(before.estimated_bytes) / stored, 1, 0.005);
  EXPECT_NEAR(static_cast<double>(before.estimated_directory_bytes) /
                  static_cast<double>(summary->stored_bytes),
              1, 0.005);
  // The compressed model tells the same about its weights.
  EXPECT_EQ(after.estimated_bytes, before.estimated_bytes);
  for (const TensorAnalysis& tensor : before.tensors) {
    const TensorAnalysis& other = Find(after, tensor.tensor.name);
    EXPECT_EQ(other.statistics.exponents, tensor.statistics.exponents);
    EXPECT_EQ(other.kind, tensor.kind);
  }
}

TEST_F(AnalyzeTest, CastsTheMatricesOfAModelWithoutFp8) {
  std::vector<uint8_t> bytes;
  for (const double sample : SampleStable(1.8, 0.03, 1 << 18, 3)) {
    uint8_t number[4];
    const auto value = static_cast<float>(sample);
    std::memcpy(number, &value, 4);
    bytes.insert(bytes.end(), number, number + 4);
  }
  Add("model.layers.0.mlp.up_proj.weight", DType::kF32, {512, 512}, bytes);
  Add("model.layers.0.norm.weight", DType::kF32, {2}, std::vector<uint8_t>(8));
  Add("lm_head.weight", DType::kF32, {512, 512}, bytes);
  const ModelAnalysis model = Analyze(Write());
  const TensorAnalysis& up = Find(model, "model.layers.0.mlp.up_proj.weight");
  EXPECT_EQ(up.role, Role::kCast);
  EXPECT_EQ(up.statistics.weights, uint64_t{1} << 18);
  EXPECT_NEAR(up.statistics.fit->alpha, 1.8, 0.04);
  EXPECT_NEAR(up.statistics.predicted_entropy, up.statistics.exponent_entropy, 0.02);
  EXPECT_GT(up.own_exponent_entropy, up.statistics.exponent_entropy);  // it has no subnormals
  EXPECT_LT(up.estimated_bytes, uint64_t{1} << 18);
  EXPECT_EQ(Find(model, "model.layers.0.norm.weight").role, Role::kRaw);
  EXPECT_EQ(Find(model, "lm_head.weight").role, Role::kRaw);
}

TEST_F(AnalyzeTest, DoesNotDependOnTheNumberOfThreads) {
  for (int layer = 0; layer < 7; ++layer) {
    AddFp8("model.layers." + std::to_string(layer) + ".q.weight", 64, 1000, "mixed");
  }
  const std::string path = Write();
  const ModelAnalysis one = Analyze(path, 1);
  const ModelAnalysis five = Analyze(path, 5);
  EXPECT_EQ(one.estimated_bytes, five.estimated_bytes);
  for (size_t i = 0; i < one.tensors.size(); ++i) {
    EXPECT_EQ(one.tensors[i].statistics.exponents, five.tensors[i].statistics.exponents);
    EXPECT_EQ(one.tensors[i].estimated_bytes, five.tensors[i].estimated_bytes);
  }
}

TEST_F(AnalyzeTest, TakesEmptyTensorsAndSingleFiles) {
  AddFp8("model.layers.0.q.weight", 0, 7, "gaussian");
  AddFp8("model.layers.0.k.weight", 1, 7, "gaussian");
  const ModelAnalysis model = Analyze(Write() + "/model.safetensors");
  EXPECT_EQ(Find(model, "model.layers.0.q.weight").statistics.weights, 0U);
  EXPECT_EQ(Find(model, "model.layers.0.k.weight").estimated_bytes, 7U);
}

TEST_F(AnalyzeTest, SaysWhatItCannotOpen) {
  EXPECT_TRUE(absl::IsNotFound(AnalyzeModel(root_ / "nothing", {}).status()));
}

TEST_F(AnalyzeTest, StopsWhenItIsCancelled) {
  AddFp8("model.layers.0.q.weight", 64, 1000, "mixed");
  const std::atomic<bool> cancel = true;
  JobOptions options;
  options.cancel = &cancel;
  EXPECT_TRUE(absl::IsCancelled(AnalyzeModel(Write(), options).status()));
}

}  // namespace
}  // namespace ecf8
