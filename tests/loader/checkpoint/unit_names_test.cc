#include "loader/checkpoint/unit_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace ecf8 {
namespace {

using ::testing::ElementsAre;

using NamesAndIds = std::vector<std::pair<std::string, std::string>>;

std::vector<UnitKey> Keys(const std::vector<std::string>& names) {
  std::vector<NamedSize> tensors;
  for (const std::string& name : names) tensors.push_back({name, 100});
  return AssignUnits(tensors);
}

// The ids of one model's tensors, all of one size.
void ExpectIds(const NamesAndIds& expected) {
  std::vector<std::string> names;
  for (const auto& [name, id] : expected) names.push_back(name);
  const std::vector<UnitKey> keys = Keys(names);
  ASSERT_EQ(keys.size(), expected.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ(keys[i].Id(), expected[i].second) << expected[i].first;
    EXPECT_TRUE(IsValidUnitId(keys[i].Id())) << keys[i].Id();
  }
}

TEST(UnitNames, LlamaQwenMistral) {
  ExpectIds({{"lm_head.weight", "head"},
             {"model.embed_tokens.weight", "embed"},
             {"model.layers.0.input_layernorm.weight", "layers.0"},
             {"model.layers.0.self_attn.q_proj.weight", "layers.0"},
             {"model.layers.0.self_attn.q_proj.bias", "layers.0"},
             {"model.layers.0.self_attn.q_norm.weight", "layers.0"},
             {"model.layers.17.mlp.down_proj.weight_scale_inv", "layers.17"},
             {"model.norm.weight", "misc"}});
}

TEST(UnitNames, LlamaAsMetaWritesIt) {
  ExpectIds({{"tok_embeddings.weight", "embed"},
             {"layers.31.attention.wq.weight", "layers.31"},
             {"norm.weight", "misc"},
             {"output.weight", "head"}});
}

TEST(UnitNames, Qwen3Moe) {
  ExpectIds({{"model.layers.3.mlp.experts.127.down_proj.weight", "layers.3.experts.127"},
             {"model.layers.3.mlp.experts.127.down_proj.weight_scale_inv", "layers.3.experts.127"},
             {"model.layers.3.mlp.gate.weight", "layers.3"},
             {"model.layers.3.mlp.experts.gate_up_proj", "layers.3"}});
}

TEST(UnitNames, Mixtral) {
  ExpectIds({{"model.layers.0.block_sparse_moe.experts.7.w1.weight", "layers.0.experts.7"},
             {"model.layers.0.block_sparse_moe.gate.weight", "layers.0"}});
}

TEST(UnitNames, DeepSeekV3) {
  ExpectIds({{"model.embed_tokens.weight", "embed"},
             {"model.layers.0.mlp.gate_proj.weight", "layers.0"},
             {"model.layers.3.mlp.experts.0.up_proj.weight", "layers.3.experts.0"},
             {"model.layers.3.mlp.shared_experts.up_proj.weight", "layers.3"},
             {"model.layers.3.mlp.gate.e_score_correction_bias", "layers.3"},
             // The layer of multi-token prediction has its own embedding and head.
             {"model.layers.61.embed_tokens.weight", "layers.61"},
             {"model.layers.61.shared_head.head.weight", "layers.61"},
             {"model.layers.61.eh_proj.weight", "layers.61"},
             {"model.layers.61.mlp.experts.255.up_proj.weight", "layers.61.experts.255"},
             {"lm_head.weight", "head"},
             {"model.norm.weight", "misc"}});
}

TEST(UnitNames, Bert) {
  const NamesAndIds names = {{"embeddings.word_embeddings.weight", "embed"},
                             {"embeddings.LayerNorm.weight", "embed"},
                             {"embeddings.position_ids", "embed"},
                             {"encoder.layer.5.attention.self.query.weight", "layers.5"},
                             {"encoder.layer.5.output.dense.weight", "layers.5"},
                             {"pooler.dense.weight", "misc"}};
  ExpectIds(names);
  NamesAndIds prefixed = {{"cls.predictions.decoder.weight", "head"}};
  for (const auto& [name, id] : names) prefixed.emplace_back("bert." + name, id);
  ExpectIds(prefixed);
}

TEST(UnitNames, Gpt2AndNeox) {
  ExpectIds({{"wte.weight", "embed"},
             {"wpe.weight", "embed"},
             {"h.11.attn.c_attn.weight", "layers.11"},
             {"ln_f.weight", "misc"}});
  ExpectIds({{"transformer.wte.weight", "embed"}, {"transformer.h.0.ln_1.weight", "layers.0"}});
  ExpectIds({{"gpt_neox.embed_in.weight", "embed"},
             {"gpt_neox.layers.2.mlp.dense_h_to_4h.weight", "layers.2"},
             {"embed_out.weight", "head"}});
}

TEST(UnitNames, T5HasTwoStacks) {
  // The decoder's is the larger: it has cross-attention.
  ExpectIds({{"shared.weight", "embed"},
             {"encoder.block.0.layer.0.SelfAttention.q.weight", "encoder.block.0"},
             {"encoder.block.0.layer.1.DenseReluDense.wi.weight", "encoder.block.0"},
             {"decoder.block.0.layer.0.SelfAttention.q.weight", "layers.0"},
             {"decoder.block.0.layer.1.EncDecAttention.q.weight", "layers.0"},
             {"decoder.block.0.layer.2.DenseReluDense.wi.weight", "layers.0"},
             {"encoder.final_layer_norm.weight", "misc"}});
}

TEST(UnitNames, DiffusionTransformers) {
  ExpectIds({{"x_embedder.weight", "embed"},
             {"time_text_embed.timestep_embedder.linear_1.weight", "embed"},
             {"transformer_blocks.18.attn.to_q.weight", "layers.18"},
             {"transformer_blocks.18.attn.to_k.weight", "layers.18"},
             {"single_transformer_blocks.37.proj_mlp.weight", "single_transformer_blocks.37"},
             {"proj_out.weight", "head"},
             {"norm_out.linear.weight", "misc"}});
  ExpectIds({{"patch_embedding.weight", "embed"},
             {"text_embedding.0.weight", "embed"},
             {"time_projection.1.weight", "time_projection.1"},
             {"blocks.39.ffn.0.weight", "layers.39"},
             {"blocks.39.ffn.2.weight", "layers.39"},
             {"head.head.weight", "head"}});
}

TEST(UnitNames, MultiModal) {
  ExpectIds({{"language_model.model.embed_tokens.weight", "embed"},
             {"language_model.model.layers.4.mlp.up_proj.weight", "layers.4"},
             {"language_model.lm_head.weight", "head"},
             {"vision_tower.encoder.layers.4.mlp.fc1.weight", "vision_tower.encoder.layers.4"},
             {"vision_tower.encoder.layers.4.mlp.fc2.weight", "vision_tower.encoder.layers.4"},
             {"multi_modal_projector.linear_1.weight", "misc"}});
  ExpectIds({{"model.layers.0.mlp.up_proj.weight", "layers.0"},
             {"visual.blocks.0.attn.qkv.weight", "visual.blocks.0"},
             {"visual.blocks.0.moe.experts.1.w", "visual.blocks.0.experts.1"},
             {"visual.merger.mlp.0.weight", "visual.merger.mlp.0"}});
}

TEST(UnitNames, UnknownFamiliesGoByTheLargestStack) {
  const std::vector<NamedSize> tensors = {
      {"small.0.w", 10}, {"large.0.w", 60}, {"small.1.w", 10}, {"other.3.w", 60}};
  const std::vector<UnitKey> keys = AssignUnits(tensors);
  EXPECT_EQ(keys[0].Id(), "small.0");
  EXPECT_EQ(keys[1].Id(), "layers.0");  // the first by name of two equals
  EXPECT_EQ(keys[2].Id(), "small.1");
  EXPECT_EQ(keys[3].Id(), "other.3");
}

TEST(UnitNames, AwkwardNamesAreMisc) {
  NamesAndIds names = {{"model.layers.0.w", "layers.0"}};
  for (const char* name : {"",
                           ".",
                           "..",
                           "...",
                           " ",
                           "0",
                           "0.weight",
                           "größe.重み.🙂.weight",
                           "model.layers.1.größe",
                           "model.layers.1. w",
                           "layers/1/weight",
                           "layers\\1",
                           "layers.-1.weight",
                           "layers.007.weight",
                           "model.layers.99999999999999999999.weight",
                           "model.layers.2147483648.weight",
                           "model.layers.1.experts.99999999999999999999.w",
                           "model.layers.1.experts.01.w",
                           "model..layers.1.w",
                           ".layers.1.w",
                           "-x.1.w",
                           "x.1.w.",
                           "x#.1.w",
                           "../1/w",
                           "a\nb.1.w"}) {
    names.emplace_back(name, "misc");
  }
  names.emplace_back(std::string("x\0.1.w", 6), "misc");
  names.emplace_back(std::string(81, 'x') + ".1.w", "misc");
  names.emplace_back(std::string(80, 'x') + ".1.w", std::string(80, 'x') + ".1");
  names.emplace_back("model.layers.2147483647.weight", "layers.2147483647");
  ExpectIds(names);
}

TEST(UnitNames, DifferentKeysHaveDifferentIds) {
  // A stack that is just "layers" must not share ids with another that is the main one.
  std::vector<std::string> names = {"layers.3.w",
                                    "model.layers.3.w",
                                    "transformer.h.3.w",
                                    "layers.3.experts.3.w",
                                    "model.layers.3.experts.3.w",
                                    "x.layers.3.experts.3.w",
                                    "embed.3.w",
                                    "misc.3.w",
                                    "head.3.w",
                                    "misc.w",
                                    "layers.w"};
  std::map<std::string, UnitKey> key_of;
  for (const UnitKey& key : Keys(names)) {
    const auto [at, is_new] = key_of.emplace(key.Id(), key);
    EXPECT_TRUE(is_new || at->second == key) << key.Id();
  }
  EXPECT_THAT(Keys({"layers.3.w"})[0].Id(), "layers.3");
}

TEST(UnitNames, WalkOrder) {
  std::vector<UnitKey> keys =
      Keys({"lm_head.weight", "model.norm.weight", "model.layers.10.w", "model.layers.9.w",
            "model.layers.9.mlp.experts.10.w", "model.layers.9.mlp.experts.2.w",
            "vision.layers.0.w", "model.embed_tokens.weight"});
  std::sort(keys.begin(), keys.end());
  std::vector<std::string> ids;
  for (const UnitKey& key : keys) ids.push_back(key.Id());
  EXPECT_THAT(ids, ElementsAre("embed", "layers.9", "layers.9.experts.2", "layers.9.experts.10",
                               "layers.10", "vision.layers.0", "misc", "head"));
}

TEST(UnitNames, ValidIds) {
  for (const char* good : {"embed", "layers.17.experts.203", "embed#0", "a-b_C.9", "_x.1"}) {
    EXPECT_TRUE(IsValidUnitId(good)) << good;
  }
  EXPECT_TRUE(IsValidUnitId(std::string(128, 'x')));
  EXPECT_FALSE(IsValidUnitId(std::string(129, 'x')));
  for (const char* bad : {"", ".", "..", ".x", "-x", "a..b", "a/b", "a b", "größe", "a\\b"}) {
    EXPECT_FALSE(IsValidUnitId(bad)) << bad;
  }
  EXPECT_FALSE(IsValidUnitId(std::string("a\0b", 3)));
}

}  // namespace
}  // namespace ecf8
