#include "loader/analysis/tensor_kind.h"

#include <string>

#include "gtest/gtest.h"

namespace ecf8 {
namespace {

UnitKey Layer(int64_t layer) {
  UnitKey key;
  key.kind = UnitKey::Kind::kLayer;
  key.layer = layer;
  return key;
}

TEST(TensorKind, OfTheMainStackIsWhatFollowsTheLayer) {
  EXPECT_EQ(TensorKind("model.layers.3.self_attn.q_proj.weight", Layer(3)), "self_attn.q_proj");
  EXPECT_EQ(TensorKind("encoder.layer.0.output.dense.bias", Layer(0)), "output.dense.bias");
  EXPECT_EQ(TensorKind("model.layers.3.mlp.experts.17.up_proj.weight", Layer(3)),
            "mlp.experts.*.up_proj");
}

TEST(TensorKind, OfOthersIsTheNameWithoutNumbers) {
  EXPECT_EQ(TensorKind("model.embed_tokens.weight", UnitKey()), "model.embed_tokens");
  EXPECT_EQ(TensorKind("vision.blocks.12.fc1.weight", UnitKey()), "vision.blocks.*.fc1");
}

TEST(TensorKind, OfOddNamesIsSomething) {
  EXPECT_EQ(TensorKind("weight", UnitKey()), "weight");
  EXPECT_EQ(TensorKind("layers.7", Layer(7)), "layers.*");
  EXPECT_EQ(TensorKind("", UnitKey()), "");
  EXPECT_EQ(TensorKind("a..b", UnitKey()), "a..b");
}

}  // namespace
}  // namespace ecf8
