#include "tools/ecf8/expert_walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "loader/model/compress.h"
#include "tests/support/small_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tools/ecf8/expert_steps.h"
#include "tools/workloads/made_up_source.h"
#include "tools/workloads/moe_shape.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::TempDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Kind = UseEvent::Kind;

// Two layers of three experts.
class ExpertWalkTest : public ::testing::Test {
 protected:
  ExpertWalkTest() {
    const MoeShape shape = {
        .layers = 2, .experts = 3, .hidden = 256, .expert_width = 128, .vocabulary = 50};
    EXPECT_THAT(CompressModel(MakeUpSource(ListMoeTensors(shape), 1), dir_ / "packed", {}), IsOk());
    model_ = testing::OpenModel(dir_ / "packed");
  }

  uint32_t Unit(const std::string& id) const { return *model_->FindUnit(id); }

  TempDir dir_;
  std::shared_ptr<const CompressedModel> model_;
};

TEST_F(ExpertWalkTest, StepsAreTheWalkOfTheModel) {
  const auto steps = ListExpertSteps(*model_);
  ASSERT_THAT(steps, IsOk());
  EXPECT_EQ(steps->layers, 2u);
  EXPECT_EQ(steps->experts, 3u);
  ASSERT_EQ(steps->steps.size(), 3u);
  EXPECT_THAT(steps->steps[0].dense, ElementsAre(Unit("embed"), Unit("layers.0")));
  EXPECT_THAT(steps->steps[0].experts, ElementsAre(ElementsAre(Unit("layers.0.experts.0")),
                                                   ElementsAre(Unit("layers.0.experts.1")),
                                                   ElementsAre(Unit("layers.0.experts.2"))));
  EXPECT_THAT(steps->steps[1].dense, ElementsAre(Unit("layers.1")));
  EXPECT_THAT(steps->steps[2].dense, ElementsAre(Unit("misc"), Unit("head")));
  EXPECT_THAT(steps->steps[2].experts, ElementsAre());
}

TEST_F(ExpertWalkTest, ADenseModelHasNoSteps) {
  testing::MakeCompressedModel(dir_.path(), "dense");
  const auto steps = ListExpertSteps(*testing::OpenModel(dir_ / "dense"));
  EXPECT_THAT(steps, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("has no experts")));
}

TEST_F(ExpertWalkTest, ATokenUsesWhatItIsToldAndGivesItBack) {
  const auto steps = ListExpertSteps(*model_);
  ASSERT_THAT(steps, IsOk());
  EngineOptions options;
  options.host_budget_bytes = 32 << 20;
  options.slot_budget_bytes = 32 << 20;
  options.touch_threads = 0;
  const auto engine = Engine::Start(options, {model_});
  ASSERT_THAT(engine, IsOk());
  {
    ExpertWalk walk(**engine, *steps, CheckUnit);
    const std::vector<std::vector<uint32_t>> experts = {{2}, {0, 1}};
    ASSERT_THAT(walk.Token(experts), IsOk());
    const uint32_t first = Unit("layers.0.experts.2");
    const std::vector<UseEvent> begin(walk.events().begin(), walk.events().begin() + 10);
    EXPECT_THAT(
        begin,
        ElementsAre(
            UseEvent{Kind::kDemand, Unit("embed")}, UseEvent{Kind::kDemand, Unit("layers.0")},
            UseEvent{Kind::kReady, Unit("embed")}, UseEvent{Kind::kReady, Unit("layers.0")},
            UseEvent{Kind::kDemand, first}, UseEvent{Kind::kHint, Unit("layers.1")},
            UseEvent{Kind::kReady, first}, UseEvent{Kind::kReleased, first},
            UseEvent{Kind::kReleased, Unit("embed")}, UseEvent{Kind::kReleased, Unit("layers.0")}));
    EXPECT_EQ(walk.used_units(), 8u);
    ASSERT_THAT(walk.Token(experts), IsOk());
    EXPECT_EQ(walk.used_units(), 16u);
  }  // and what it has hinted for a third token goes with it
  EngineStats stats = (*engine)->stats();
  while (stats.requests > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    stats = (*engine)->stats();
  }
  EXPECT_EQ(stats.slots.misses, 8u) << "all of it fits into the slots";
  EXPECT_EQ(stats.slots.hits, 8u + 2u);
}

}  // namespace
}  // namespace ecf8
