#include "loader/planning/model_shape.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/loader/planning/model_configs.h"

namespace ecf8 {
namespace {

using testing::HasSubstr;

// The sizes of the published checkpoint, to the byte.
TEST(ModelShapeTest, KnowsDeepSeekV3) {
  const auto shape = ShapeOfConfig(kDeepSeekV3);
  ASSERT_TRUE(shape.ok()) << shape.status();
  EXPECT_EQ(shape->decoded_bytes(), 688'574'839'360u);
  EXPECT_EQ(shape->expert.decoded_bytes(), 44'050'944u);
  EXPECT_EQ(shape->expert_layers, 58u);
  EXPECT_EQ(shape->experts, 256u);
  EXPECT_EQ(shape->experts_per_token, 8u);
  EXPECT_EQ(shape->lookup.decoded_bytes(), 1'853'358'080u);
  EXPECT_EQ(shape->cache_token_bytes, 61u * (512 + 64) * 2);
  EXPECT_GT(shape->next_token.decoded_bytes(), 14e9);  // 256 experts, embedding and head
}

TEST(ModelShapeTest, KnowsDenseFamilies) {
  const auto shape = ShapeOfConfig(kLlama70B);
  ASSERT_TRUE(shape.ok()) << shape.status();
  // 70.55 G parameters: embedding and head of 1.05 G each in BF16.
  const uint64_t vocabulary = uint64_t{128256} * 8192;
  EXPECT_EQ(shape->lookup.plain_bytes, 2 * vocabulary);
  EXPECT_EQ(shape->every_token.coded_weights, 70'553'706'496u - 2 * vocabulary - 161u * 8192);
  EXPECT_EQ(shape->experts, 0u);
  EXPECT_EQ(shape->cache_token_bytes, 80u * 2 * 8 * 128 * 2);

  auto tied = nlohmann::json::parse(kLlama70B);
  tied["tie_word_embeddings"] = true;
  const auto shared = ShapeOfConfig(tied.dump());
  ASSERT_TRUE(shared.ok());
  EXPECT_EQ(shared->decoded_bytes(), shape->decoded_bytes() - 2 * vocabulary);
}

TEST(ModelShapeTest, KnowsQwen3WithExperts) {
  const auto shape = ShapeOfConfig(kQwen3Moe235B);
  ASSERT_TRUE(shape.ok()) << shape.status();
  EXPECT_EQ(shape->expert.coded_weights, 3u * 4096 * 1536);
  EXPECT_EQ(shape->all_experts().coded_weights, 94ull * 128 * 3 * 4096 * 1536);
  // 235.09 G parameters in all, those in BF16 counted once.
  const double parameters =
      static_cast<double>(shape->all_experts().coded_weights + shape->every_token.coded_weights) +
      2.0 * 151936 * 4096 + 94.0 * 128 * 4096;
  EXPECT_NEAR(parameters / 235.09e9, 1, 0.001);
}

TEST(ModelShapeTest, TakesTheLanguagePartOfModelsThatSee) {
  const nlohmann::json outer = {{"model_type", "seeing"},
                                {"text_config", nlohmann::json::parse(kLlama70B)}};
  EXPECT_TRUE(ShapeOfConfig(outer.dump()).ok());
}

TEST(ModelShapeTest, RefusesWhatIsNoModel) {
  const auto message = [](std::string_view config) {
    return std::string(ShapeOfConfig(config).status().message());
  };
  EXPECT_THAT(message(""), HasSubstr("no JSON object"));
  EXPECT_THAT(message("[1]"), HasSubstr("no JSON object"));
  EXPECT_THAT(message("{}"), HasSubstr("is none of"));
  EXPECT_THAT(message(R"({"model_type": "bert"})"), HasSubstr("'bert' is none of"));
  const auto changed = [&](const char* field, const nlohmann::json& value) {
    auto config = nlohmann::json::parse(kDeepSeekV3);
    config[field] = value;
    return message(config.dump());
  };
  for (const char* field : {"hidden_size", "num_hidden_layers", "n_routed_experts", "kv_lora_rank",
                            "vocab_size", "moe_intermediate_size"}) {
    EXPECT_THAT(changed(field, 0), HasSubstr(field));
    EXPECT_THAT(changed(field, -1), HasSubstr(field));
    EXPECT_THAT(changed(field, 1.5), HasSubstr(field));
    EXPECT_THAT(changed(field, "7"), HasSubstr(field));
    EXPECT_THAT(changed(field, 1ull << 40), HasSubstr(field));
  }
  EXPECT_THAT(changed("num_experts_per_tok", 300), HasSubstr("more experts than there are"));
  EXPECT_THAT(changed("n_routed_experts", 1 << 20), HasSubstr("more than a pebibyte"));
  auto missing = nlohmann::json::parse(kDeepSeekV3);
  missing.erase("v_head_dim");
  EXPECT_THAT(message(missing.dump()), HasSubstr("has no v_head_dim"));
}

}  // namespace
}  // namespace ecf8
