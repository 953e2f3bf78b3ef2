// What of config.json files of published models their shapes are read from.
#ifndef ECF8_TESTS_LOADER_PLANNING_MODEL_CONFIGS_H_
#define ECF8_TESTS_LOADER_PLANNING_MODEL_CONFIGS_H_

#include <string_view>

namespace ecf8 {

inline constexpr std::string_view kDeepSeekV3 = R"({
  "model_type": "deepseek_v3", "hidden_size": 7168, "num_hidden_layers": 61,
  "vocab_size": 129280, "num_attention_heads": 128, "num_key_value_heads": 128,
  "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
  "v_head_dim": 128, "intermediate_size": 18432, "moe_intermediate_size": 2048,
  "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8,
  "first_k_dense_replace": 3, "num_nextn_predict_layers": 1, "tie_word_embeddings": false})";

inline constexpr std::string_view kQwen3Moe235B = R"({
  "model_type": "qwen3_moe", "hidden_size": 4096, "num_hidden_layers": 94,
  "vocab_size": 151936, "num_attention_heads": 64, "num_key_value_heads": 4, "head_dim": 128,
  "intermediate_size": 12288, "moe_intermediate_size": 1536, "num_experts": 128,
  "num_experts_per_tok": 8, "decoder_sparse_step": 1, "tie_word_embeddings": false})";

inline constexpr std::string_view kLlama70B = R"({
  "model_type": "llama", "hidden_size": 8192, "num_hidden_layers": 80, "vocab_size": 128256,
  "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 128,
  "intermediate_size": 28672, "tie_word_embeddings": false})";

}  // namespace ecf8

#endif  // ECF8_TESTS_LOADER_PLANNING_MODEL_CONFIGS_H_
