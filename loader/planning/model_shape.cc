#include "loader/planning/model_shape.h"

#include <algorithm>
#include <array>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/planning/config_fields.h"

namespace ecf8 {
namespace {

constexpr uint64_t kBf16Bytes = 2;
constexpr uint64_t kScaleBytes = 4;
constexpr uint64_t kMaxModelBytes = uint64_t{1} << 50;
constexpr uint64_t kBlock = 128;  // of a scale, in rows and columns

constexpr std::array<std::string_view, 6> kDenseFamilies = {"llama", "mistral",   "qwen2",
                                                            "qwen3", "ministral", "mistral3"};

PartShape Bf16(uint64_t count) { return {0, count * kBf16Bytes}; }

// A projection in FP8, with its scales.
PartShape Linear(uint64_t rows, uint64_t columns) {
  return {rows * columns,
          ((rows + kBlock - 1) / kBlock) * ((columns + kBlock - 1) / kBlock) * kScaleBytes};
}

PartShape GatedMlp(uint64_t hidden, uint64_t inner) {
  PartShape mlp = Linear(inner, hidden);
  mlp += Linear(inner, hidden);
  mlp += Linear(hidden, inner);
  return mlp;
}

// Grouped-query attention. Sets the size of its cache.
PartShape GroupedAttention(ConfigFields& fields, uint64_t hidden, ModelShape* shape) {
  const uint64_t heads = fields.Required("num_attention_heads");
  const uint64_t kv_heads = fields.Optional("num_key_value_heads", heads);
  const uint64_t head = fields.Optional("head_dim", heads > 0 ? hidden / heads : 0);
  PartShape attention = Linear(heads * head, hidden);
  attention += Linear(kv_heads * head, hidden);
  attention += Linear(kv_heads * head, hidden);
  attention += Linear(hidden, heads * head);
  const std::string family = fields.Text("model_type");
  if (family == "qwen2" || fields.Flag("attention_bias", false)) {
    attention += Bf16((heads + 2 * kv_heads) * head);
  }
  if (family == "qwen3" || family == "qwen3_moe") attention += Bf16(2 * head);  // norms
  shape->cache_token_bytes = shape->layers * 2 * kv_heads * head * kBf16Bytes;
  return attention;
}

// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, 2.1). Sets the size of its cache.
PartShape LatentAttention(ConfigFields& fields, uint64_t hidden, ModelShape* shape) {
  const uint64_t heads = fields.Required("num_attention_heads");
  const uint64_t q_rank = fields.Required("q_lora_rank");
  const uint64_t kv_rank = fields.Required("kv_lora_rank");
  const uint64_t nope = fields.Required("qk_nope_head_dim");
  const uint64_t rope = fields.Required("qk_rope_head_dim");
  const uint64_t value = fields.Required("v_head_dim");
  PartShape attention = Linear(q_rank, hidden);
  attention += Linear(heads * (nope + rope), q_rank);
  attention += Linear(kv_rank + rope, hidden);
  attention += Linear(heads * (nope + value), kv_rank);
  attention += Linear(hidden, heads * value);
  attention += Bf16(q_rank + kv_rank);  // norms
  shape->cache_token_bytes = shape->layers * (kv_rank + rope) * kBf16Bytes;
  return attention;
}

void ReadDense(ConfigFields& fields, uint64_t hidden, ModelShape* shape) {
  PartShape layer = GroupedAttention(fields, hidden, shape);
  layer += GatedMlp(hidden, fields.Required("intermediate_size"));
  layer += Bf16(2 * hidden);
  shape->every_token += layer.Times(shape->layers);
}

void ReadExperts(ConfigFields& fields, uint64_t hidden, ModelShape* shape) {
  shape->experts = static_cast<uint32_t>(fields.Required("n_routed_experts", "num_experts"));
  shape->experts_per_token = static_cast<uint32_t>(fields.Required("num_experts_per_tok"));
  shape->expert = GatedMlp(hidden, fields.Required("moe_intermediate_size"));
}

void ReadQwenExperts(ConfigFields& fields, uint64_t hidden, ModelShape* shape) {
  PartShape layer = GroupedAttention(fields, hidden, shape);
  layer += Bf16(2 * hidden);
  shape->every_token += layer.Times(shape->layers);
  ReadExperts(fields, hidden, shape);
  const uint64_t step = std::max<uint64_t>(fields.Optional("decoder_sparse_step", 1), 1);
  shape->expert_layers = static_cast<uint32_t>(shape->layers / step);
  shape->every_token += Bf16(shape->experts * hidden).Times(shape->expert_layers);  // routers
  shape->every_token += GatedMlp(hidden, fields.Optional("intermediate_size", 0))
                            .Times(shape->layers - shape->expert_layers);
}

void ReadDeepSeek(ConfigFields& fields, uint64_t hidden, ModelShape* shape) {
  PartShape attention = LatentAttention(fields, hidden, shape);
  attention += Bf16(2 * hidden);
  ReadExperts(fields, hidden, shape);
  const auto dense = static_cast<uint32_t>(
      std::min<uint64_t>(fields.Optional("first_k_dense_replace", 0), shape->layers));
  shape->expert_layers = shape->layers - dense;
  // What an expert layer has for every token, besides attention: shared experts, and the router
  // with its bias (F32).
  PartShape shared = GatedMlp(hidden, fields.Required("moe_intermediate_size"))
                         .Times(fields.Optional("n_shared_experts", 0));
  shared += Bf16(shape->experts * hidden + 2 * shape->experts);
  shape->every_token += attention.Times(shape->layers);
  shape->every_token += GatedMlp(hidden, fields.Required("intermediate_size")).Times(dense);
  shape->every_token += shared.Times(shape->expert_layers);
  // A layer for multi-token prediction has embedding and head of its own, and joins two streams.
  const uint64_t vocabulary = fields.Required("vocab_size");
  PartShape extra = attention;
  extra += shared;
  extra += shape->expert.Times(shape->experts);
  extra += Bf16(2 * vocabulary * hidden + 2 * hidden * hidden + 3 * hidden);
  shape->next_token = extra.Times(fields.Optional("num_nextn_predict_layers", 0));
}

bool IsDense(std::string_view family) {
  return std::find(kDenseFamilies.begin(), kDenseFamilies.end(), family) != kDenseFamilies.end();
}

}  // namespace

absl::StatusOr<ModelShape> ShapeOfConfig(std::string_view config) {
  ECF8_ASSIGN_OR_RETURN(ConfigFields fields, ConfigFields::Parse(config));
  ModelShape shape;
  const std::string family = fields.Text("model_type");
  shape.name = family;
  const uint64_t hidden = fields.Required("hidden_size");
  shape.layers = static_cast<uint32_t>(fields.Required("num_hidden_layers"));
  const uint64_t vocabulary = fields.Required("vocab_size");
  if (IsDense(family)) {
    ReadDense(fields, hidden, &shape);
  } else if (family == "qwen3_moe") {
    ReadQwenExperts(fields, hidden, &shape);
  } else if (family == "deepseek_v3" || family == "deepseek_v2") {
    ReadDeepSeek(fields, hidden, &shape);
  } else {
    return absl::UnimplementedError(
        absl::StrCat("config.json: model_type '", family,
                     "' is none of llama, mistral, qwen2, qwen3, qwen3_moe, deepseek_v3"));
  }
  shape.lookup = Bf16(vocabulary * hidden);
  shape.every_token += Bf16(hidden);  // the last norm
  // A tied head is the embedding, read whole for every token.
  if (fields.Flag("tie_word_embeddings", false)) shape.lookup = {};
  shape.every_token += Bf16(vocabulary * hidden);
  ECF8_RETURN_IF_ERROR(fields.status());
  if (shape.decoded_bytes() > kMaxModelBytes) {
    return absl::InvalidArgumentError("config.json: a model of more than a pebibyte");
  }
  if (shape.experts_per_token > shape.experts) {
    return absl::InvalidArgumentError("config.json: a token uses more experts than there are");
  }
  return shape;
}

}  // namespace ecf8
