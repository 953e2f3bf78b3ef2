#include "tools/workloads/model_walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "loader/memory/slot_space.h"
#include "loader/model/compress.h"
#include "tests/support/small_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tools/workloads/made_up_source.h"
#include "tools/workloads/moe_shape.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::TempDir;

// The units ahead are in slots already, and leave no room for the first, the largest.
TEST(ModelWalk, WhatIsHeldAheadGivesWayToTheUnitAtHand) {
  const TempDir dir;
  const MoeShape shape = {
      .layers = 2, .experts = 3, .hidden = 256, .expert_width = 128, .vocabulary = 11'000};
  ASSERT_THAT(CompressModel(MakeUpSource(ListMoeTensors(shape), 1), dir / "packed", {}), IsOk());
  const auto model = testing::OpenModel(dir / "packed");
  EngineOptions options;
  options.host_budget_bytes = 64 << 20;
  options.slot_budget_bytes = 5 * kSlotPageBytes;
  options.decode_threads = 1;
  const auto engine = Engine::Start(options, {model});
  ASSERT_THAT(engine, IsOk());
  for (int walk = 0; walk < 3; ++walk) {
    EXPECT_THAT(WalkUnits(**engine, AllUnits(*model), UnitForm::kDecoded, /*ahead_bytes=*/1 << 30),
                IsOk());
  }
}

}  // namespace
}  // namespace ecf8
