#include "tools/workloads/repeated_model.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <vector>

#include "decoder/checksum.h"
#include "loader/engine/engine.h"
#include "loader/planning/model_shape.h"
#include "tests/support/small_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tools/ecf8/expert_walk.h"
#include "tools/workloads/model_walk.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::TempDir;

// Every kind of layer: dense, with experts, for multi-token prediction.
constexpr MoeShape kSmall = {.layers = 3,
                             .experts = 5,
                             .hidden = 256,
                             .expert_width = 128,
                             .vocabulary = 50,
                             .dense_layers = 1,
                             .dense_width = 384,
                             .next_token_layers = 1};

TEST(MoeShape, DeepSeekV3IsAsItWasPublished) {
  uint64_t bytes = 0;
  for (const SafetensorsTensor& tensor : ListMoeTensors(DeepSeekV3Shape())) {
    bytes += tensor.size_bytes();
  }
  EXPECT_EQ(bytes, 688'574'839'360u);
}

// What its config.json says is what it has.
TEST(MoeShape, ConfigAndTensorsAgree) {
  for (const MoeShape& shape : {kSmall, DeepSeekV3Shape(), MoeShape{}}) {
    uint64_t bytes = 0;
    for (const SafetensorsTensor& tensor : ListMoeTensors(shape)) bytes += tensor.size_bytes();
    const auto planned = ShapeOfConfig(MoeConfig(shape, 2));
    ASSERT_THAT(planned, IsOk());
    EXPECT_EQ(planned->decoded_bytes(), bytes);
    EXPECT_EQ(planned->experts, shape.experts);
    EXPECT_EQ(planned->expert_layers, shape.layers - shape.dense_layers);
  }
}

class RepeatedModelTest : public ::testing::Test {
 protected:
  RepeatedModelTest() {
    EXPECT_THAT(WriteRepeatedModel({.shape = kSmall, .variants = 2}, directory_, nullptr), IsOk());
    model_ = testing::OpenModel(RepeatedModelPath(directory_));
  }

  TempDir dir_;
  const std::string directory_ = dir_ / "repeated";
  std::shared_ptr<const CompressedModel> model_;
};

// Through the engine, on the real decoder, every byte compared with its checksum.
TEST_F(RepeatedModelTest, EveryByteIsRight) {
  const auto bytes = RepeatedBytes::Open(model_, directory_);
  ASSERT_THAT(bytes, IsOk());
  std::atomic<uint64_t> read_bytes{0};
  RepeatedCalls calls(**bytes, /*with_bytes=*/true, [&](uint64_t size) { read_bytes += size; });
  EngineOptions options;
  options.host_budget_bytes = 32 << 20;
  options.slot_budget_bytes = 32 << 20;
  options.touch_threads = 0;
  options.reader = {.backend = BlockReaderBackend::kThreads, .calls = &calls};
  const auto engine = Engine::Start(options, {model_});
  ASSERT_THAT(engine, IsOk());
  EXPECT_THAT(WalkUnits(**engine, AllUnits(*model_), UnitForm::kDecoded, 0, CheckUnit), IsOk());
  EXPECT_GT(read_bytes, 0u);
}

TEST_F(RepeatedModelTest, ExpertsDifferAsFarAsTheyAreToldTo) {
  const auto checksum = [this](const char* id) {
    return model_->unit(*model_->FindUnit(id)).stored_xxh3;
  };
  EXPECT_NE(checksum("layers.1.experts.0"), checksum("layers.1.experts.1"));
  EXPECT_EQ(checksum("layers.1.experts.0"), checksum("layers.1.experts.2"));
  EXPECT_EQ(model_->unit_count(), 1u + 3 + 1 + 3 * 5 + 2);
}

// Without the bytes it is what it looks like: a damaged model.
TEST_F(RepeatedModelTest, TheShardsHaveHoles) {
  EngineOptions options;
  options.host_budget_bytes = 32 << 20;
  options.slot_budget_bytes = 32 << 20;
  const auto engine = Engine::Start(options, {model_});
  ASSERT_THAT(engine, IsOk());
  EXPECT_THAT(WalkUnits(**engine, AllUnits(*model_), UnitForm::kDecoded, 0),
              StatusIs(absl::StatusCode::kDataLoss, ::testing::_));
}

}  // namespace
}  // namespace ecf8
