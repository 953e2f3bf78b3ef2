#include "tools/workloads/moe_shape.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace ecf8 {
namespace {

constexpr uint64_t kBlock = 128;  // of the scales
// Of DeepSeek-V3's latent attention; its ranks are these parts of its hidden size, about.
constexpr uint64_t kHeadWidth = 128;
constexpr uint64_t kRopeWidth = 64;
constexpr uint64_t kQueryRankDivisor = 4;
constexpr uint64_t kKeyRankDivisor = 8;

// With what stands for itself in place of what is 0.
MoeShape Completed(MoeShape shape) {
  const auto complete = [](uint32_t* value, uint64_t by_default) {
    if (*value == 0) *value = static_cast<uint32_t>(by_default);
  };
  complete(&shape.heads, shape.hidden / kHeadWidth);
  complete(&shape.query_rank, shape.hidden / kQueryRankDivisor);
  complete(&shape.key_rank, shape.hidden / kKeyRankDivisor);
  complete(&shape.dense_width, shape.expert_width);
  return shape;
}

class TensorList {
 public:
  explicit TensorList(const MoeShape& shape) : shape_(Completed(shape)), hidden_(shape.hidden) {}

  std::vector<SafetensorsTensor> Make() {
    Add("model.embed_tokens.weight", DType::kBF16, {shape_.vocabulary, hidden_});
    for (uint32_t layer = 0; layer < shape_.layers; ++layer) {
      AddLayer(absl::StrCat("model.layers.", layer), layer >= shape_.dense_layers);
    }
    for (uint32_t i = 0; i < shape_.next_token_layers; ++i) {
      AddNextTokenLayer(absl::StrCat("model.layers.", shape_.layers + i));
    }
    AddNorm("model.norm", hidden_);
    Add("lm_head.weight", DType::kBF16, {shape_.vocabulary, hidden_});
    return std::move(tensors_);
  }

 private:
  void Add(std::string name, DType dtype, std::vector<uint64_t> shape) {
    SafetensorsTensor tensor;
    tensor.name = std::move(name);
    tensor.dtype = dtype;
    tensor.shape = std::move(shape);
    tensor.begin = end_;
    end_ += *TensorSizeBytes(dtype, tensor.shape);
    tensor.end = end_;
    tensors_.push_back(std::move(tensor));
  }

  void AddLayer(const std::string& name, bool has_experts) {
    AddNorm(absl::StrCat(name, ".input_layernorm"), hidden_);
    AddAttention(absl::StrCat(name, ".self_attn"));
    AddNorm(absl::StrCat(name, ".post_attention_layernorm"), hidden_);
    if (has_experts) {
      AddExperts(absl::StrCat(name, ".mlp"));
    } else {
      AddMlp(absl::StrCat(name, ".mlp"), shape_.dense_width);
    }
  }

  // It joins two streams, and has embedding and head of its own.
  void AddNextTokenLayer(const std::string& name) {
    Add(absl::StrCat(name, ".embed_tokens.weight"), DType::kBF16, {shape_.vocabulary, hidden_});
    AddNorm(absl::StrCat(name, ".enorm"), hidden_);
    AddNorm(absl::StrCat(name, ".hnorm"), hidden_);
    Add(absl::StrCat(name, ".eh_proj.weight"), DType::kBF16, {hidden_, 2 * hidden_});
    AddLayer(name, /*has_experts=*/true);
    AddNorm(absl::StrCat(name, ".shared_head.norm"), hidden_);
    Add(absl::StrCat(name, ".shared_head.head.weight"), DType::kBF16, {shape_.vocabulary, hidden_});
  }

  void AddNorm(const std::string& name, uint64_t width) {
    Add(absl::StrCat(name, ".weight"), DType::kBF16, {width});
  }

  void AddProjection(const std::string& name, uint64_t rows, uint64_t columns) {
    Add(absl::StrCat(name, ".weight"), DType::kF8E4M3, {rows, columns});
    Add(absl::StrCat(name, ".weight_scale_inv"), DType::kF32,
        {(rows + kBlock - 1) / kBlock, (columns + kBlock - 1) / kBlock});
  }

  void AddAttention(const std::string& name) {
    const uint64_t heads = shape_.heads;
    const uint64_t query_rank = shape_.query_rank;
    const uint64_t key_rank = shape_.key_rank;
    AddProjection(absl::StrCat(name, ".q_a_proj"), query_rank, hidden_);
    AddNorm(absl::StrCat(name, ".q_a_layernorm"), query_rank);
    AddProjection(absl::StrCat(name, ".q_b_proj"), heads * (kHeadWidth + kRopeWidth), query_rank);
    AddProjection(absl::StrCat(name, ".kv_a_proj_with_mqa"), key_rank + kRopeWidth, hidden_);
    AddNorm(absl::StrCat(name, ".kv_a_layernorm"), key_rank);
    AddProjection(absl::StrCat(name, ".kv_b_proj"), heads * 2 * kHeadWidth, key_rank);
    AddProjection(absl::StrCat(name, ".o_proj"), hidden_, heads * kHeadWidth);
  }

  void AddExperts(const std::string& name) {
    Add(absl::StrCat(name, ".gate.weight"), DType::kBF16, {shape_.experts, hidden_});
    Add(absl::StrCat(name, ".gate.e_score_correction_bias"), DType::kF32, {shape_.experts});
    for (uint32_t expert = 0; expert < shape_.experts; ++expert) {
      AddMlp(absl::StrCat(name, ".experts.", expert), shape_.expert_width);
    }
    AddMlp(absl::StrCat(name, ".shared_experts"), shape_.expert_width);
  }

  void AddMlp(const std::string& name, uint64_t width) {
    AddProjection(absl::StrCat(name, ".gate_proj"), width, hidden_);
    AddProjection(absl::StrCat(name, ".up_proj"), width, hidden_);
    AddProjection(absl::StrCat(name, ".down_proj"), hidden_, width);
  }

  const MoeShape shape_;
  const uint64_t hidden_;
  uint64_t end_ = 0;
  std::vector<SafetensorsTensor> tensors_;
};

}  // namespace

MoeShape DeepSeekV3Shape() {
  return {.layers = 61,
          .experts = 256,
          .hidden = 7168,
          .expert_width = 2048,
          .vocabulary = 129'280,
          .dense_layers = 3,
          .dense_width = 18'432,
          .heads = 128,
          .query_rank = 1536,
          .key_rank = 512,
          .next_token_layers = 1};
}

std::vector<SafetensorsTensor> ListMoeTensors(const MoeShape& shape) {
  return TensorList(shape).Make();
}

std::string MoeConfig(const MoeShape& given, uint32_t experts_per_token) {
  const MoeShape shape = Completed(given);
  const nlohmann::ordered_json config = {{"model_type", "deepseek_v3"},
                                         {"hidden_size", shape.hidden},
                                         {"num_hidden_layers", shape.layers},
                                         {"vocab_size", shape.vocabulary},
                                         {"num_attention_heads", shape.heads},
                                         {"q_lora_rank", shape.query_rank},
                                         {"kv_lora_rank", shape.key_rank},
                                         {"qk_nope_head_dim", kHeadWidth},
                                         {"qk_rope_head_dim", kRopeWidth},
                                         {"v_head_dim", kHeadWidth},
                                         {"intermediate_size", shape.dense_width},
                                         {"moe_intermediate_size", shape.expert_width},
                                         {"n_routed_experts", shape.experts},
                                         {"n_shared_experts", 1},
                                         {"num_experts_per_tok", experts_per_token},
                                         {"first_k_dense_replace", shape.dense_layers},
                                         {"num_nextn_predict_layers", shape.next_token_layers},
                                         {"tie_word_embeddings", false}};
  return config.dump(2) + "\n";
}

}  // namespace ecf8
