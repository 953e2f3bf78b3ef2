#include "loader/checkpoint/unit_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "loader/checkpoint/unit_names.h"

namespace ecf8 {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

// A model to plan; owns what PlanTensor looks at.
class Model {
 public:
  Model& Add(const std::string& name, DType dtype, std::vector<uint64_t> shape) {
    tensors_.push_back({name, dtype, std::move(shape)});
    return *this;
  }
  Model& AddFp8(const std::string& name, uint64_t size_bytes) {
    return Add(name, DType::kF8E4M3, {size_bytes});
  }

  // Plans, and checks what holds of every plan.
  std::vector<PlannedShard> Plan(uint64_t shard_size_bytes) const {
    std::vector<PlanTensor> list;
    for (const Tensor& tensor : tensors_) {
      list.push_back({tensor.name, tensor.dtype, tensor.shape,
                      TensorSizeBytes(tensor.dtype, tensor.shape).value()});
    }
    std::vector<PlannedShard> shards = PlanUnits(list, shard_size_bytes);
    CheckEveryByteIsInOnePiece(list, shards);
    CheckRules(shards);
    return shards;
  }

  const std::string& name(uint32_t tensor) const { return tensors_[tensor].name; }

 private:
  struct Tensor {
    std::string name;
    DType dtype;
    std::vector<uint64_t> shape;
  };

  static void CheckEveryByteIsInOnePiece(const std::vector<PlanTensor>& tensors,
                                         const std::vector<PlannedShard>& shards) {
    std::map<uint32_t, std::vector<std::pair<uint64_t, uint64_t>>> pieces_of;
    for (const PlannedShard& shard : shards) {
      for (const PlannedUnit& unit : shard.units) {
        for (const PlannedPiece& piece : unit.pieces) {
          pieces_of[piece.tensor].emplace_back(piece.tensor_offset_bytes, piece.size_bytes);
        }
      }
    }
    ASSERT_EQ(pieces_of.size(), tensors.size());
    for (auto& [tensor, pieces] : pieces_of) {
      std::sort(pieces.begin(), pieces.end());
      uint64_t end = 0;
      for (const auto& [offset, size_bytes] : pieces) {
        EXPECT_EQ(offset, end) << tensors[tensor].name;
        end = offset + size_bytes;
      }
      EXPECT_EQ(end, tensors[tensor].size_bytes) << tensors[tensor].name;
    }
  }

  static void CheckRules(const std::vector<PlannedShard>& shards) {
    std::set<std::string> ids;
    std::map<uint32_t, size_t> shard_of_shared;
    std::map<uint32_t, int> units_of;
    for (const PlannedShard& shard : shards) {
      for (const PlannedUnit& unit : shard.units) {
        for (const PlannedPiece& piece : unit.pieces) ++units_of[piece.tensor];
      }
    }
    for (size_t i = 0; i < shards.size(); ++i) {
      EXPECT_FALSE(shards[i].units.empty());
      for (const PlannedUnit& unit : shards[i].units) {
        EXPECT_TRUE(IsValidUnitId(unit.id)) << unit.id;
        EXPECT_TRUE(ids.insert(unit.id).second) << unit.id;
        EXPECT_LE(unit.decoded_size_bytes, kMaxUnitDecodedBytes);
        EXPECT_FALSE(unit.pieces.empty());
        uint64_t sum = 0;
        for (const PlannedPiece& piece : unit.pieces) {
          sum += piece.size_bytes;
          EXPECT_EQ(units_of[piece.tensor] > 1, unit.shares_tensors) << unit.id;
          if (unit.shares_tensors) {
            EXPECT_EQ(shard_of_shared.emplace(piece.tensor, i).first->second, i) << unit.id;
          }
        }
        EXPECT_EQ(unit.decoded_size_bytes, sum) << unit.id;
      }
    }
  }

  std::vector<Tensor> tensors_;
};

std::vector<std::string> Ids(const PlannedShard& shard) {
  std::vector<std::string> ids;
  for (const PlannedUnit& unit : shard.units) ids.push_back(unit.id);
  return ids;
}

std::vector<std::string> PieceNames(const Model& model, const PlannedUnit& unit) {
  std::vector<std::string> names;
  for (const PlannedPiece& piece : unit.pieces) names.push_back(model.name(piece.tensor));
  return names;
}

TEST(UnitPlan, NoTensorsNoShards) { EXPECT_THAT(PlanUnits({}, kNoLimit), IsEmpty()); }

TEST(UnitPlan, UnitsInWalkOrderWhateverTheSource) {
  Model model;
  model.AddFp8("lm_head.weight", 10)
      .AddFp8("model.layers.10.w", 10)
      .AddFp8("model.layers.2.w", 10)
      .AddFp8("model.layers.2.mlp.experts.0.w", 10)
      .AddFp8("model.embed_tokens.weight", 10);
  const auto shards = model.Plan(kNoLimit);
  ASSERT_EQ(shards.size(), 1u);
  EXPECT_THAT(Ids(shards[0]),
              ElementsAre("embed", "layers.2", "layers.2.experts.0", "layers.10", "head"));
}

TEST(UnitPlan, PiecesInOrderOfStorage) {
  Model model;
  model.Add("layers.0.bool", DType::kBool, {3})
      .Add("layers.0.bf16", DType::kBF16, {3})
      .Add("layers.0.f32", DType::kF32, {3})
      .Add("layers.0.e5m2", DType::kF8E5M2, {3})
      .Add("layers.0.f4", DType::kF4, {2})
      .Add("layers.0.i64", DType::kI64, {3})
      .Add("layers.0.empty", DType::kF32, {3, 0})
      .Add("layers.0.e4m3", DType::kF8E4M3, {3})
      .Add("layers.0.f16", DType::kF16, {})
      .Add("layers.0.e8m0", DType::kF8E8M0, {3})
      .Add("layers.0.no_weights", DType::kF8E4M3, {0});
  const auto shards = model.Plan(kNoLimit);
  ASSERT_EQ(shards.size(), 1u);
  ASSERT_THAT(Ids(shards[0]), ElementsAre("layers.0"));
  const PlannedUnit& unit = shards[0].units[0];
  EXPECT_THAT(PieceNames(model, unit),
              ElementsAre("layers.0.e5m2", "layers.0.e4m3", "layers.0.no_weights", "layers.0.i64",
                          "layers.0.f32", "layers.0.empty", "layers.0.bf16", "layers.0.f16",
                          "layers.0.bool", "layers.0.f4", "layers.0.e8m0"));
  EXPECT_EQ(unit.pieces[0].codec_hint, Codec::kE5M2);
  EXPECT_EQ(unit.pieces[1].codec_hint, Codec::kE4M3);
  EXPECT_EQ(unit.pieces[2].size_bytes, 0u);
  for (size_t i = 3; i < unit.pieces.size(); ++i) {
    EXPECT_EQ(unit.pieces[i].codec_hint, Codec::kRaw);
  }
  EXPECT_FALSE(unit.shares_tensors);
}

TEST(UnitPlan, LargeGroupsAreSplitBetweenTensors) {
  Model model;
  model.AddFp8("layers.0.a", 200 * kMiB)
      .Add("layers.0.b", DType::kF32, {14 * kMiB})  // 56 MiB: just fits
      .AddFp8("layers.0.c", 1)
      .AddFp8("layers.0.d", 256 * kMiB)
      .AddFp8("layers.0.e", 7);
  const auto shards = model.Plan(kNoLimit);
  ASSERT_EQ(shards.size(), 1u);
  ASSERT_THAT(Ids(shards[0]), ElementsAre("layers.0#0", "layers.0#1", "layers.0#2", "layers.0#3"));
  const auto& units = shards[0].units;
  EXPECT_THAT(PieceNames(model, units[0]), ElementsAre("layers.0.a", "layers.0.b"));
  EXPECT_THAT(PieceNames(model, units[1]), ElementsAre("layers.0.c"));
  EXPECT_THAT(PieceNames(model, units[2]), ElementsAre("layers.0.d"));
  EXPECT_THAT(PieceNames(model, units[3]), ElementsAre("layers.0.e"));
}

TEST(UnitPlan, LargeTensorsAreCut) {
  Model model;
  model.AddFp8("model.embed_tokens.before", 5)
      .Add("model.embed_tokens.weight", DType::kBF16, {256 * kMiB + 1})
      .AddFp8("model.embed_tokens.after", 6);
  // However small the shards: the parts of a tensor stay together.
  const auto shards = model.Plan(1);
  ASSERT_EQ(shards.size(), 3u);
  EXPECT_THAT(Ids(shards[0]), ElementsAre("embed#0"));
  ASSERT_THAT(Ids(shards[1]), ElementsAre("embed#1", "embed#2", "embed#3"));
  EXPECT_THAT(Ids(shards[2]), ElementsAre("embed#4"));
  const auto& parts = shards[1].units;
  for (size_t i = 0; i < parts.size(); ++i) {
    ASSERT_EQ(parts[i].pieces.size(), 1u);
    EXPECT_EQ(parts[i].pieces[0].tensor_offset_bytes, i * 256 * kMiB);
    EXPECT_TRUE(parts[i].shares_tensors);
  }
  EXPECT_EQ(parts[2].decoded_size_bytes, 2u);
}

Model FusedModel(uint64_t experts, uint64_t rows) {
  Model model;
  model.Add("model.layers.3.mlp.experts.down_proj", DType::kF8E4M3, {experts, rows, 512})
      .Add("model.layers.3.mlp.experts.down_proj_scale_inv", DType::kF32, {experts, 2, 4})
      .Add("model.layers.3.mlp.experts.gate_up_proj", DType::kF8E4M3, {experts, 512, rows})
      .Add("model.layers.3.mlp.experts.gate_up_bias", DType::kBF16, {experts, 7})
      .Add("model.layers.3.mlp.experts.input_scale", DType::kF32, {})
      .Add("model.layers.3.mlp.gate.weight", DType::kBF16, {experts, 512})
      .AddFp8("model.layers.4.w", 9);
  return model;
}

TEST(UnitPlan, FusedExpertsAreCutIntoExperts) {
  const Model model = FusedModel(4, 256);
  const auto shards = model.Plan(kNoLimit);
  ASSERT_EQ(shards.size(), 1u);
  ASSERT_THAT(Ids(shards[0]), ElementsAre("layers.3", "layers.3.experts.0", "layers.3.experts.1",
                                          "layers.3.experts.2", "layers.3.experts.3", "layers.4"));
  const auto& units = shards[0].units;
  EXPECT_THAT(PieceNames(model, units[0]), ElementsAre("model.layers.3.mlp.experts.input_scale",
                                                       "model.layers.3.mlp.gate.weight"));
  for (uint64_t expert = 0; expert < 4; ++expert) {
    const PlannedUnit& unit = units[1 + expert];
    EXPECT_TRUE(unit.shares_tensors);
    EXPECT_THAT(PieceNames(model, unit),
                ElementsAre("model.layers.3.mlp.experts.down_proj",
                            "model.layers.3.mlp.experts.gate_up_proj",
                            "model.layers.3.mlp.experts.down_proj_scale_inv",
                            "model.layers.3.mlp.experts.gate_up_bias"));
    EXPECT_EQ(unit.pieces[1].size_bytes, 512u * 256);
    EXPECT_EQ(unit.pieces[1].tensor_offset_bytes, expert * 512 * 256);
    EXPECT_EQ(unit.pieces[2].tensor_offset_bytes, expert * 32);
    EXPECT_EQ(unit.pieces[3].size_bytes, 14u);
  }
}

TEST(UnitPlan, FusedExpertsStayInOneShard) {
  const auto shards = FusedModel(4, 256).Plan(1);
  ASSERT_EQ(shards.size(), 3u);
  EXPECT_THAT(Ids(shards[0]), ElementsAre("layers.3"));
  EXPECT_EQ(shards[1].units.size(), 4u);
  EXPECT_THAT(Ids(shards[2]), ElementsAre("layers.4"));
}

TEST(UnitPlan, ALayerThatIsAllFusedExperts) {
  Model model;
  model.Add("layers.0.experts.w", DType::kF8E5M2, {2, 1024, 1024});
  EXPECT_THAT(Ids(model.Plan(kNoLimit)[0]),
              ElementsAre("layers.0.experts.0", "layers.0.experts.1"));
}

TEST(UnitPlan, ExpertsThatAreThemselvesTooLarge) {
  Model model;
  model.Add("layers.0.experts.w", DType::kF8E4M3, {2, 300, kMiB})
      .Add("layers.0.experts.s", DType::kF32, {2, 5});
  const auto shards = model.Plan(1);
  ASSERT_EQ(shards.size(), 1u);
  EXPECT_THAT(Ids(shards[0]),
              ElementsAre("layers.0.experts.0#0", "layers.0.experts.0#1", "layers.0.experts.0#2",
                          "layers.0.experts.1#0", "layers.0.experts.1#1", "layers.0.experts.1#2"));
  EXPECT_EQ(shards[0].units[3].pieces[0].tensor_offset_bytes, 300 * kMiB);
  EXPECT_EQ(shards[0].units[4].pieces[0].tensor_offset_bytes, 556 * kMiB);
  EXPECT_EQ(shards[0].units[4].pieces[0].size_bytes, 44 * kMiB);
}

TEST(UnitPlan, WhatIsNotFused) {
  const auto expect_whole = [](const Model& model) {
    const auto shards = model.Plan(kNoLimit);
    for (const PlannedUnit& unit : shards[0].units) {
      EXPECT_FALSE(unit.shares_tensors) << unit.id;
    }
  };
  const std::string experts = "model.layers.0.mlp.experts.";
  expect_whole(FusedModel(4, 2));     // too small
  expect_whole(FusedModel(1024, 2));  // 1 MiB, but of slices of 2 KiB
  expect_whole(FusedModel(1, 2048));  // one expert is all
  expect_whole(Model().Add(experts + "w", DType::kBF16, {4, 1024, 1024}));  // no FP8 among them
  expect_whole(Model().AddFp8(experts + "w", 4 * kMiB));                    // not 3-D
  expect_whole(Model()                                                      // do not agree
                   .Add(experts + "a", DType::kF8E4M3, {4, 1024, 1024})
                   .Add(experts + "b", DType::kF8E4M3, {8, 1024, 1024}));
  expect_whole(Model()  // whose is experts.3 then?
                   .Add(experts + "a", DType::kF8E4M3, {4, 1024, 1024})
                   .AddFp8(experts + "3.w", 10));
  expect_whole(Model().Add("model.layers.0.shared_experts.w", DType::kF8E4M3, {4, 1024, 1024}));
  expect_whole(Model().Add("x.experts.w", DType::kF8E4M3, {4, 1024, 1024}));  // of no layer
  expect_whole(Model().Add(experts + "w", DType::kF8E4M3, {uint64_t{1} << 62, 0, 1}));
}

TEST(UnitPlan, SliceOfSubByteElementsMustBeWholeBytes) {
  Model model;
  model.Add("layers.0.experts.w", DType::kF8E4M3, {4, 1024, 1024})
      .Add("layers.0.experts.odd", DType::kF4, {4, 3})
      .Add("layers.0.experts.even", DType::kF4, {4, 6});
  const auto units = model.Plan(kNoLimit)[0].units;
  ASSERT_EQ(units.size(), 5u);
  EXPECT_THAT(PieceNames(model, units[0]), ElementsAre("layers.0.experts.odd"));
  EXPECT_THAT(PieceNames(model, units[4]),
              ElementsAre("layers.0.experts.w", "layers.0.experts.even"));
  EXPECT_EQ(units[4].pieces[1].tensor_offset_bytes, 9u);
}

TEST(UnitPlan, ShardsEndBeforeTheyExceedTheLimit) {
  Model model;
  for (int layer = 0; layer < 10; ++layer) model.AddFp8(absl::StrCat("layers.", layer, ".w"), 10);
  auto shards = model.Plan(30);
  ASSERT_EQ(shards.size(), 4u);
  EXPECT_EQ(shards[0].units.size(), 3u);
  EXPECT_THAT(Ids(shards[3]), ElementsAre("layers.9"));
  EXPECT_EQ(model.Plan(29)[0].units.size(), 2u);
  EXPECT_EQ(model.Plan(0).size(), 10u);
}

}  // namespace
}  // namespace ecf8
