#include "tests/support/small_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "loader/model/compress.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_model.h"

namespace ecf8::testing {
namespace {

// A file, and the bytes of its tensors by name.
struct RecordedFile {
  PlainFile file;
  TensorBytes tensors;

  void Add(const std::string& name, std::string_view dtype, const std::vector<uint64_t>& shape,
           const std::string& bytes) {
    file.Add(name, dtype, shape, bytes);
    tensors[name] = bytes;
  }
};

}  // namespace

TensorBytes WritePlainModel(const std::string& directory, const SmallModelOptions& options) {
  RecordedFile model;
  const uint64_t rows = options.projection_rows;
  // Turned a little further for each expert: many are made quickly.
  std::string expert_bytes = FakeE4M3(options.expert_rows * 1024, 99);
  model.Add("model.embed_tokens.weight", "BF16", {96, 64}, NoiseBytes(96 * 64 * 2, 1));
  for (int layer = 0; layer < options.layers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    const auto seed = static_cast<uint32_t>(100 + layer);
    model.Add(prefix + "self_attn.q_proj.weight", "F8_E4M3", {rows, 1024},
              FakeE4M3(rows * 1024, seed));
    model.Add(prefix + "self_attn.q_proj.weight_scale_inv", "F32", {16, 8},
              NoiseBytes(16 * 8 * 4, seed));
    model.Add(prefix + "input_layernorm.weight", "BF16", {64}, NoiseBytes(128, seed + 50));
    model.Add(prefix + "empty.weight", "F32", {0, 4}, "");
    for (int expert = 0; expert < options.experts; ++expert) {
      std::rotate(expert_bytes.begin(), expert_bytes.begin() + 1021, expert_bytes.end());
      model.Add(prefix + "mlp.experts." + std::to_string(expert) + ".up_proj.weight", "F8_E4M3",
                {options.expert_rows, 1024}, expert_bytes);
    }
  }
  model.Add("lm_head.weight", "F8_E5M2", {40, 1000}, FakeE5M2(40'000, 7));
  WriteFile(directory + "/model.safetensors", model.file.Bytes());
  WriteFile(directory + "/config.json", "{\"model_type\": \"llama\"}\n");
  return std::move(model.tensors);
}

TensorBytes MakeCompressedModel(const std::string& parent, const std::string& name,
                                const SmallModelOptions& options) {
  TensorBytes tensors = WritePlainModel(parent + "/" + name + ".plain", options);
  JobOptions job;
  job.shard_size_bytes = options.shard_size_bytes;
  const auto summary = CompressModel(parent + "/" + name + ".plain", parent + "/" + name, job);
  EXPECT_TRUE(summary.ok()) << summary.status();
  return tensors;
}

std::shared_ptr<const CompressedModel> OpenModel(const std::string& directory) {
  auto model = CompressedModel::Open(directory);
  EXPECT_TRUE(model.ok()) << model.status();
  return model.ok() ? *std::move(model) : nullptr;
}

}  // namespace ecf8::testing
