#include "tools/workloads/moe_shape.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ecf8 {
namespace {

constexpr uint64_t kBlock = 128;  // of the scales
// Of DeepSeek-V3's latent attention; its ranks are these parts of its hidden size, about.
constexpr uint64_t kHeadWidth = 128;
constexpr uint64_t kRopeWidth = 64;
constexpr uint64_t kQueryRankDivisor = 4;
constexpr uint64_t kKeyRankDivisor = 8;

class TensorList {
 public:
  explicit TensorList(const MoeShape& shape) : shape_(shape), hidden_(shape.hidden) {}

  std::vector<SafetensorsTensor> Make() {
    Add("model.embed_tokens.weight", DType::kBF16, {shape_.vocabulary, hidden_});
    for (uint32_t layer = 0; layer < shape_.layers; ++layer) {
      const std::string name = absl::StrCat("model.layers.", layer);
      AddNorm(absl::StrCat(name, ".input_layernorm"), hidden_);
      AddAttention(absl::StrCat(name, ".self_attn"));
      AddNorm(absl::StrCat(name, ".post_attention_layernorm"), hidden_);
      AddExperts(absl::StrCat(name, ".mlp"));
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

  void AddNorm(const std::string& name, uint64_t width) {
    Add(absl::StrCat(name, ".weight"), DType::kBF16, {width});
  }

  void AddProjection(const std::string& name, uint64_t rows, uint64_t columns) {
    Add(absl::StrCat(name, ".weight"), DType::kF8E4M3, {rows, columns});
    Add(absl::StrCat(name, ".weight_scale_inv"), DType::kF32,
        {(rows + kBlock - 1) / kBlock, (columns + kBlock - 1) / kBlock});
  }

  void AddAttention(const std::string& name) {
    const uint64_t heads = hidden_ / kHeadWidth;
    const uint64_t query_rank = hidden_ / kQueryRankDivisor;
    const uint64_t key_rank = hidden_ / kKeyRankDivisor;
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
      AddMlp(absl::StrCat(name, ".experts.", expert));
    }
    AddMlp(absl::StrCat(name, ".shared_experts"));
  }

  void AddMlp(const std::string& name) {
    AddProjection(absl::StrCat(name, ".gate_proj"), shape_.expert_width, hidden_);
    AddProjection(absl::StrCat(name, ".up_proj"), shape_.expert_width, hidden_);
    AddProjection(absl::StrCat(name, ".down_proj"), hidden_, shape_.expert_width);
  }

  const MoeShape shape_;
  const uint64_t hidden_;
  uint64_t end_ = 0;
  std::vector<SafetensorsTensor> tensors_;
};

}  // namespace

std::vector<SafetensorsTensor> ListMoeTensors(const MoeShape& shape) {
  return TensorList(shape).Make();
}

}  // namespace ecf8
