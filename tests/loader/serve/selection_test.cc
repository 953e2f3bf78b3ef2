#include "loader/serve/selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "loader/model/error_info.h"
#include "tests/support/small_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;

class SelectionTest : public ::testing::Test {
 protected:
  SelectionTest() {
    testing::MakeCompressedModel(directory_.path(), "small", {.layers = 2, .projection_rows = 8});
    model_ = testing::OpenModel(directory_ / "small");
  }

  std::string TensorName(const SelectedUnit& unit, size_t i) const {
    return model_->unit(unit.unit_index).pieces[unit.pieces[i]].tensor;
  }
  std::string UnitId(const SelectedUnit& unit) const { return model_->unit(unit.unit_index).id; }

  void ExpectError(const std::vector<std::string_view>& units,
                   const std::vector<std::string_view>& tensors, absl::StatusCode code,
                   ErrorReason reason) {
    const auto selection = Selection::Make(*model_, units, tensors);
    ASSERT_EQ(selection.status().code(), code) << selection.status();
    ASSERT_TRUE(GetErrorInfo(selection.status()).has_value());
    EXPECT_EQ(GetErrorInfo(selection.status())->reason, reason);
    EXPECT_EQ(GetErrorInfo(selection.status())->model, "small");
    EXPECT_THAT(std::string(selection.status().message()),
                ::testing::Not(HasSubstr(directory_.path())));
  }

  testing::TempDir directory_;
  std::shared_ptr<const CompressedModel> model_;
};

TEST_F(SelectionTest, NothingIsTheWholeModelInWalkOrder) {
  const auto selection = Selection::Make(*model_, {}, {});
  ASSERT_THAT(selection, IsOk());
  ASSERT_EQ(selection->unit_count(), model_->unit_count());
  size_t pieces = 0;
  for (uint32_t i = 0; i < model_->unit_count(); ++i) {
    EXPECT_EQ(selection->Get(*model_, i).unit_index, i);
    pieces += selection->Get(*model_, i).pieces.size();
  }
  EXPECT_EQ(pieces, 10u);
}

TEST_F(SelectionTest, UnitsComeInTheOrderAskedForThenTensors) {
  const auto selection =
      Selection::Make(*model_, {"head", "layers.1"},
                      {"model.layers.0.input_layernorm.weight", "model.embed_tokens.weight",
                       "model.layers.0.self_attn.q_proj.weight"});
  ASSERT_THAT(selection, IsOk());
  ASSERT_EQ(selection->unit_count(), 4u);
  EXPECT_EQ(UnitId(selection->Get(*model_, 0)), "head");
  EXPECT_EQ(UnitId(selection->Get(*model_, 1)), "layers.1");
  EXPECT_EQ(selection->Get(*model_, 1).pieces.size(), 4u);
  const SelectedUnit layer = selection->Get(*model_, 2);
  EXPECT_EQ(UnitId(layer), "layers.0");
  ASSERT_EQ(layer.pieces.size(), 2u);
  EXPECT_LT(layer.pieces[0], layer.pieces[1]);
  EXPECT_EQ(UnitId(selection->Get(*model_, 3)), "embed");
}

TEST_F(SelectionTest, RefusesUnknownNames) {
  ExpectError({"layers.2"}, {}, absl::StatusCode::kNotFound, ErrorReason::kUnitNotFound);
  ExpectError({""}, {}, absl::StatusCode::kNotFound, ErrorReason::kUnitNotFound);
  ExpectError({"../layers.1"}, {}, absl::StatusCode::kNotFound, ErrorReason::kUnitNotFound);
  ExpectError({}, {"lm_head"}, absl::StatusCode::kNotFound, ErrorReason::kTensorNotFound);
  ExpectError({}, {std::string_view("lm_head.weight\0", 15)}, absl::StatusCode::kNotFound,
              ErrorReason::kTensorNotFound);
}

TEST_F(SelectionTest, RefusesWhatIsAskedForTwice) {
  ExpectError({"head", "head"}, {}, absl::StatusCode::kInvalidArgument, ErrorReason::kBadRequest);
  ExpectError({}, {"lm_head.weight", "lm_head.weight"}, absl::StatusCode::kInvalidArgument,
              ErrorReason::kBadRequest);
  ExpectError({"head"}, {"lm_head.weight"}, absl::StatusCode::kInvalidArgument,
              ErrorReason::kBadRequest);
}

TEST_F(SelectionTest, RefusesTooManyItems) {
  const std::vector<std::string_view> many(kMaxSelectedItems + 1, "head");
  ExpectError(many, {}, absl::StatusCode::kInvalidArgument, ErrorReason::kBadRequest);
}

}  // namespace
}  // namespace ecf8
