// What is brought to a tier and kept there, in virtual time: preloads, pins, evictions.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "loader/engine/engine_core.h"
#include "loader/model/error_info.h"
#include "tests/loader/engine/two_models.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::ExpectedModel;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::kLayerFrames;
using ::ecf8::testing::kLayerSlot;
using ::ecf8::testing::kMiB;
using ::ecf8::testing::SimulationOptions;
using ::ecf8::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;

using ResidencyTest = testing::TwoModelsTest;

TEST_F(ResidencyTest, APreloadTakesWhatIsFree) {
  for (const Tier tier : {Tier::kHost, Tier::kSlots}) {
    Start({.host_bytes = 3 * kLayerFrames, .slot_bytes = 3 * kLayerSlot});
    for (int layer = 0; layer < 3; ++layer) EXPECT_TRUE(Preload(layer, tier));
    EXPECT_THAT(Present(tier), ElementsAre(0, 1, 2));
    const uint64_t read_bytes = core().stats().read_bytes;
    for (int layer = 0; layer < 3; ++layer) EXPECT_TRUE(Preload(layer, tier));
    EXPECT_EQ(core().stats().read_bytes, read_bytes);
    EXPECT_EQ(tier == Tier::kHost ? core().stats().host.evictions : core().stats().slots.evictions,
              0u);
  }
}

TEST_F(ResidencyTest, APreloadTakesNothingOfModelsThatClientsUse) {
  for (const Tier tier : {Tier::kHost, Tier::kSlots}) {
    Start({.host_bytes = 4 * kLayerFrames, .slot_bytes = 4 * kLayerSlot});
    const UnitForm form = tier == Tier::kHost ? UnitForm::kStored : UnitForm::kDecoded;
    for (int layer = 0; layer < 3; ++layer) Fetch(layer, form);
    EXPECT_TRUE(Preload(0, tier, 1));
    for (int layer = 1; layer < 4; ++layer) EXPECT_FALSE(Preload(layer, tier, 1));
    EXPECT_THAT(Present(tier), ElementsAre(0, 1, 2));
    EXPECT_THAT(Present(tier, 1), ElementsAre(0));
    // Nor of its own.
    EXPECT_FALSE(Preload(7, tier));
    EXPECT_THAT(Present(tier), ElementsAre(0, 1, 2));
  }
}

TEST_F(ResidencyTest, APreloadTakesWhatNobodyHasAskedForInAWhile) {
  for (const Tier tier : {Tier::kHost, Tier::kSlots}) {
    Start({.host_bytes = 3 * kLayerFrames, .slot_bytes = 3 * kLayerSlot});
    const UnitForm form = tier == Tier::kHost ? UnitForm::kStored : UnitForm::kDecoded;
    for (int layer = 0; layer < 3; ++layer) Fetch(layer, form);
    Wait(UnitTiers::kUnusedAfterMs - 100);
    EXPECT_FALSE(Preload(0, tier, 1));
    Wait(100);
    for (int layer = 0; layer < 5; ++layer) EXPECT_EQ(Preload(layer, tier, 1), layer < 3);
    EXPECT_THAT(Present(tier), IsEmpty());
    EXPECT_THAT(Present(tier, 1), ElementsAre(0, 1, 2));
  }
}

TEST_F(ResidencyTest, AllThatAreDeclinedHearOfItAtOnce) {
  for (const Tier tier : {Tier::kHost, Tier::kSlots}) {
    Start({.host_bytes = 2 * kLayerFrames, .slot_bytes = 2 * kLayerSlot});
    const UnitForm form = tier == Tier::kHost ? UnitForm::kStored : UnitForm::kDecoded;
    for (int layer = 0; layer < 2; ++layer) Fetch(layer, form);
    std::vector<std::shared_ptr<HeldUnit>> preloads;
    for (int layer = 0; layer < 4; ++layer) preloads.push_back(StartPreload(layer, tier, 1));
    ASSERT_TRUE(engine_->RunUntilIdle());
    for (const auto& preload : preloads) EXPECT_TRUE(preload->declined());
    for (const auto& preload : preloads) Release(preload);
  }
}

TEST_F(ResidencyTest, APreloadDoesNotWaitForWhatIsLeased) {
  Start({.slot_bytes = 2 * kLayerSlot});
  const auto leased = Acquire(Layer(0));
  const auto soon = Acquire(Layer(1), UnitForm::kDecoded, Priority::kDemand, /*revocable=*/true);
  ASSERT_TRUE(engine_->RunUntilIdle());
  Wait(UnitTiers::kUnusedAfterMs);
  // In place of what a client that does not read holds; then there is nothing but a lease.
  EXPECT_TRUE(Preload(5, Tier::kSlots, 1));
  EXPECT_FALSE(Preload(6, Tier::kSlots, 1));
  EXPECT_EQ(core().stats().revoked_holds, 1u);
  Release(soon);
  Release(leased);
  EXPECT_TRUE(Preload(6, Tier::kSlots, 1));
}

TEST_F(ResidencyTest, APreloadThatADemandJoinsIsDeclinedNoMore) {
  Start({.slot_bytes = 2 * kLayerSlot});
  const auto leased = Acquire(Layer(0));
  ASSERT_TRUE(engine_->RunUntilIdle());
  Fetch(1);
  const auto preload = StartPreload(2, Tier::kSlots);
  const auto demand = Acquire(Layer(2));
  ASSERT_TRUE(engine_->RunUntilIdle());
  ExpectReadyAndRight(*demand);
  EXPECT_TRUE(preload->ready());
  Release(preload);
  Release(demand);
  Release(leased);
}

// The rest is for those who wait for their units.
TEST_F(ResidencyTest, PreloadsTakeHalfOfThePlaces) {
  const ExpectedModel experts(
      {.layers = 1, .projection_rows = 16, .experts = 80, .expert_rows = 64});
  engine_.emplace(experts, SimulationOptions{.host_bytes = 256 * kMiB, .slot_bytes = 256 * kMiB});
  std::vector<std::shared_ptr<HeldUnit>> holds;
  uint64_t most = 0;
  const auto watch = [&] { most = std::max(most, core().stats().active_units); };
  for (uint32_t i = 0; i < experts.model->unit_count(); ++i) {
    holds.push_back(
        engine_->Acquire({.unit_index = i, .priority = Priority::kPreload, .on_progress = watch}));
  }
  ASSERT_TRUE(engine_->RunUntilIdle());
  for (const auto& held : holds) {
    EXPECT_TRUE(held->ready());
    engine_->Release(held);
  }
  EXPECT_GE(most, kMaxActiveUnits - 1);
  EXPECT_LE(most, kMaxActiveUnits + 1);  // a unit takes two
  ASSERT_TRUE(engine_->RunUntilIdle());
}

TEST_F(ResidencyTest, ASetThatCanNeverFitIsRefusedWithWhatIsMissing) {
  Start({.host_bytes = 5 * kLayerFrames, .slot_bytes = 5 * kLayerSlot});
  EXPECT_THAT(core().PlanPreload(Layers(Tier::kHost, 0, 5)), IsOk());
  for (const Tier tier : {Tier::kHost, Tier::kSlots}) {
    const auto plan = core().PlanPreload(Layers(tier, 0, 7));
    ASSERT_THAT(plan, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("too small")));
    const auto info = GetErrorInfo(plan.status());
    ASSERT_TRUE(info.has_value());
    EXPECT_EQ(info->reason, ErrorReason::kBudgetTooSmall);
    EXPECT_EQ(info->shortfall_bytes, 2 * (tier == Tier::kHost ? kLayerFrames : kLayerSlot));
    EXPECT_EQ(info->holder, "");
  }
  EXPECT_THAT(core().PlanPreload(Layers(Tier::kDevice, 0, 1)),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("device budget")));
}

TEST_F(ResidencyTest, AModelForWhichPinsLeaveNoRoomIsRefused) {
  const ExpectedModel large({.layers = 1, .projection_rows = 6000});
  for (const Tier tier : {Tier::kHost, Tier::kSlots}) {
    const bool host = tier == Tier::kHost;
    Start(
        {.host_bytes = (host ? 6 : 16) * kLayerFrames, .slot_bytes = (host ? 16 : 6) * kLayerSlot});
    EXPECT_THAT(core().CheckRoomFor(*large.model), IsOk());
    ASSERT_THAT(Pin(Layers(tier, 0, 5, 1)), IsOk());
    EXPECT_THAT(core().CheckRoomFor(*other_->model), IsOk());
    const absl::Status refused = core().CheckRoomFor(*large.model);
    ASSERT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("\"other\"")));
    EXPECT_GT(GetErrorInfo(refused)->shortfall_bytes, 0u);
    EXPECT_THAT(core().CheckRoomFor(*large.model, /*replaced=*/1), IsOk());
    core().Unpin(Layers(tier, 0, 5, 1), PinReason::kKept);
    EXPECT_THAT(core().CheckRoomFor(*large.model), IsOk());
  }
}

TEST_F(ResidencyTest, APlanCountsPinsAndSessionsAndSaysWhoseTheyAre) {
  Start({.slot_bytes = 6 * kLayerSlot});
  ASSERT_THAT(Pin(Layers(Tier::kSlots, 0, 2, 1)), IsOk());
  ASSERT_EQ(engine_->grants().Take(kLayerSlot, kLayerSlot), kLayerSlot);
  EXPECT_THAT(core().PlanPreload(Layers(Tier::kSlots, 0, 3)), IsOk());
  const auto plan = core().PlanPreload(Layers(Tier::kSlots, 0, 4));
  ASSERT_THAT(plan, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("\"other\"")));
  const auto info = GetErrorInfo(plan.status());
  EXPECT_EQ(info->shortfall_bytes, kLayerSlot);
  EXPECT_THAT(info->holder, HasSubstr("pins of model \"other\", 8"));
  EXPECT_THAT(info->holder, HasSubstr("sessions' grants, 4"));
  // What is pinned of the set itself is not counted twice.
  EXPECT_THAT(core().PlanPreload(Layers(Tier::kSlots, 0, 5, 1)), IsOk());
  engine_->grants().Return(kLayerSlot);
  EXPECT_THAT(core().PlanPreload(Layers(Tier::kSlots, 0, 4)), IsOk());
}

TEST_F(ResidencyTest, WhatIsPinnedStays) {
  for (const Tier tier : {Tier::kHost, Tier::kSlots}) {
    Start({.host_bytes = 4 * kLayerFrames, .slot_bytes = 4 * kLayerSlot});
    const UnitForm form = tier == Tier::kHost ? UnitForm::kStored : UnitForm::kDecoded;
    Fetch(0, form);
    Fetch(1, form);
    EXPECT_EQ(*Pin(Layers(tier, 0, 3)),
              (UnitTotals{3, 3 * (tier == Tier::kHost ? kLayerFrames : kLayerSlot)}));
    EXPECT_EQ(*Pin(Layers(tier, 0, 3)), UnitTotals());  // again
    for (int pass = 0; pass < 3; ++pass) {
      for (int layer = 3; layer < 8; ++layer) Fetch(layer, form);
    }
    EXPECT_THAT(Present(tier), IsSupersetOf({0, 1}));
    Fetch(2, form);  // was pinned before it came
    for (int layer = 3; layer < 8; ++layer) Fetch(layer, form);
    EXPECT_THAT(Present(tier), IsSupersetOf({0, 1, 2}));
    const UnpinReport report = core().Unpin(Layers(tier, 0, 2), PinReason::kKept);
    EXPECT_EQ(report.removed.units, 2u);
    EXPECT_EQ(report.held, UnitTotals());
    EXPECT_EQ(core().ListPins().size(), 1u);
    EXPECT_EQ(core().ListPins()[0].pinned.units, 1u);
    for (int pass = 0; pass < 20; ++pass) {
      for (int layer = 3; layer < 8; ++layer) Fetch(layer, form);
    }
    EXPECT_THAT(Present(tier), Contains(2));
    EXPECT_THAT(Present(tier), Not(IsSupersetOf({0, 1})));
  }
}

TEST_F(ResidencyTest, APinnedUnitMakesOthersGiveWay) {
  Start({.slot_bytes = 3 * kLayerSlot});
  for (int layer = 0; layer < 3; ++layer) Fetch(layer);
  EXPECT_FALSE(Preload(0, Tier::kSlots, 1));
  ASSERT_THAT(Pin(Layers(Tier::kSlots, 0, 2, 1)), IsOk());
  EXPECT_TRUE(Preload(0, Tier::kSlots, 1));
  EXPECT_TRUE(Preload(1, Tier::kSlots, 1));
  EXPECT_THAT(Present(Tier::kSlots, 1), ElementsAre(0, 1));
}

TEST_F(ResidencyTest, PinsLeaveRoomForTheLargestUnit) {
  for (const Tier tier : {Tier::kHost, Tier::kSlots}) {
    const uint64_t layer_bytes = tier == Tier::kHost ? kLayerFrames : kLayerSlot;
    Start({.host_bytes = 4 * kLayerFrames, .slot_bytes = 4 * kLayerSlot});
    ASSERT_THAT(Pin(Layers(tier, 0, 1, 1)), IsOk());
    const auto refused = Pin(Layers(tier, 0, 3));
    ASSERT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("room for")));
    const auto info = GetErrorInfo(refused.status());
    EXPECT_EQ(info->shortfall_bytes, layer_bytes);
    EXPECT_THAT(info->holder, HasSubstr("pins of model \"other\""));
    EXPECT_EQ(core().ListPins().size(), 1u) << "all or none";
    ASSERT_THAT(Pin(Layers(tier, 0, 2)), IsOk());
    // What is pinned already may be pinned again; nothing else fits.
    EXPECT_THAT(Pin(Layers(tier, 0, 2)), IsOk());
    EXPECT_FALSE(Pin(Layers(tier, 2, 3)).ok());
    for (uint32_t model : {0, 1}) {
      for (int layer = 0; layer < 8; ++layer) Fetch(layer, UnitForm::kDecoded, model);
    }
  }
}

TEST_F(ResidencyTest, PinsAndSessionsShareTheSlots) {
  Start({.slot_bytes = 6 * kLayerSlot});
  ASSERT_THAT(Pin(Layers(Tier::kSlots, 0, 3)), IsOk());
  EXPECT_EQ(engine_->grants().free_bytes(), 3 * kLayerSlot);
  EXPECT_EQ(engine_->grants().Take(4 * kLayerSlot, 4 * kLayerSlot), 0u);
  ASSERT_EQ(engine_->grants().Take(2 * kLayerSlot, 2 * kLayerSlot), 2 * kLayerSlot);
  const auto refused = Pin(Layers(Tier::kSlots, 3, 5));
  ASSERT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("sessions'")));
  EXPECT_EQ(GetErrorInfo(refused.status())->shortfall_bytes, kLayerSlot);
  EXPECT_THAT(Pin(Layers(Tier::kSlots, 3, 4)), IsOk());
  EXPECT_EQ(engine_->grants().free_bytes(), 0u);
  core().Unpin(Layers(Tier::kSlots, 0, 8), PinReason::kKept);
  EXPECT_EQ(engine_->grants().free_bytes(), 4 * kLayerSlot);
  engine_->grants().Return(2 * kLayerSlot);
}

TEST_F(ResidencyTest, WhatSomebodyHoldsStaysPinnedUntilHeIsGone) {
  Start({.slot_bytes = 4 * kLayerSlot});
  ASSERT_THAT(Pin(Layers(Tier::kSlots, 0, 2), PinReason::kHeld), IsOk());
  ASSERT_THAT(Pin(Layers(Tier::kSlots, 0, 2), PinReason::kHeld), IsOk());
  ASSERT_THAT(Pin(Layers(Tier::kSlots, 0, 2), PinReason::kKept), IsOk());
  UnpinReport report = core().Unpin(Layers(Tier::kSlots, 0, 3), PinReason::kKept);
  EXPECT_EQ(report.held, (UnitTotals{2, 2 * kLayerSlot}));
  EXPECT_EQ(report.removed, UnitTotals());
  core().Unpin(Layers(Tier::kSlots, 0, 2), PinReason::kHeld);
  EXPECT_EQ(core().stats().slots.pinned.units, 2u);
  core().Unpin(Layers(Tier::kSlots, 0, 2), PinReason::kHeld);
  EXPECT_EQ(core().stats().slots.pinned.units, 0u);
  EXPECT_EQ(engine_->grants().free_bytes(), 4 * kLayerSlot);
}

TEST_F(ResidencyTest, EvictsWhatNobodyUsesAndTellsOfTheRest) {
  for (const Tier tier : {Tier::kHost, Tier::kSlots}) {
    Start({.host_bytes = 8 * kLayerFrames, .slot_bytes = 8 * kLayerSlot});
    const UnitForm form = tier == Tier::kHost ? UnitForm::kStored : UnitForm::kDecoded;
    const uint64_t layer_bytes = tier == Tier::kHost ? kLayerFrames : kLayerSlot;
    for (int layer = 0; layer < 4; ++layer) Fetch(layer, form);
    const auto leased = Acquire(Layer(4), form);
    ASSERT_TRUE(engine_->RunUntilIdle());
    ASSERT_THAT(Pin(Layers(tier, 0, 1)), IsOk());
    const EvictReport report = core().Evict(Layers(tier, 0, 8));
    EXPECT_EQ(report.freed, (UnitTotals{3, 3 * layer_bytes}));
    EXPECT_EQ(report.in_use, (UnitTotals{1, layer_bytes}));
    EXPECT_EQ(report.pinned, (UnitTotals{1, layer_bytes}));
    EXPECT_THAT(Present(tier), ElementsAre(0, 4));
    ExpectReadyAndRight(*leased);
    Release(leased);
    EXPECT_EQ(core().Evict(Layers(tier, 4, 5)).freed.units, 1u);
    EXPECT_EQ(core().Evict(Layers(tier, 4, 5)), EvictReport()) << "it is gone";
    Fetch(4, form);  // from the disk
  }
}

TEST_F(ResidencyTest, EvictionLetsAPreloadHaveItsPlace) {
  Start({.slot_bytes = 2 * kLayerSlot});
  Fetch(0);
  Fetch(1);
  EXPECT_FALSE(Preload(0, Tier::kSlots, 1));
  core().Evict(Layers(Tier::kSlots, 0, 8));
  EXPECT_TRUE(Preload(0, Tier::kSlots, 1));
  EXPECT_TRUE(Preload(1, Tier::kSlots, 1));
}

TEST_F(ResidencyTest, APreloadForTheDevicePassesThroughASlot) {
  const uint64_t stored_bytes = expected_->model->unit(Layer(0)).stored_size_bytes;
  const uint64_t frames = (stored_bytes + kDeviceFrameBytes - 1) / kDeviceFrameBytes;
  Start({.device_bytes = 4 * frames * kDeviceFrameBytes, .slot_bytes = kLayerSlot});
  EXPECT_TRUE(Preload(0, Tier::kDevice));
  EXPECT_TRUE(Preload(1, Tier::kDevice));
  EXPECT_THAT(Present(Tier::kDevice), ElementsAre(0, 1));
  const uint64_t read_bytes = core().stats().read_bytes;
  Fetch(0);
  Fetch(1);
  EXPECT_EQ(core().stats().read_bytes, read_bytes);
  // Four fit. The fifth passes by: its slot was had in passing.
  for (int layer = 2; layer < 5; ++layer) EXPECT_TRUE(Preload(layer, Tier::kDevice));
  EXPECT_THAT(Present(Tier::kDevice), ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(core().stats().device.evictions, 0u);
}

// It was decoded before there was a wish to have it on the device.
TEST_F(ResidencyTest, ASlotThatNobodyUsesIsGivenUpForFrames) {
  Start({.device_bytes = 3 * kMiB, .slot_bytes = 2 * kLayerSlot});
  Fetch(0);  // into the frames, too
  Fetch(1);  // which are full
  ASSERT_THAT(Present(Tier::kDevice), ElementsAre(0));
  core().Evict(Layers(Tier::kDevice, 0, 1));
  EXPECT_TRUE(Preload(1, Tier::kDevice));
  EXPECT_THAT(Present(Tier::kDevice), ElementsAre(1));
  // A lease, or a pin, is not given up.
  core().Evict(Layers(Tier::kDevice, 0, 8));
  const auto leased = Acquire(Layer(0));
  ASSERT_TRUE(engine_->RunUntilIdle());
  EXPECT_TRUE(Preload(0, Tier::kDevice));
  EXPECT_THAT(Present(Tier::kDevice), IsEmpty());
  ExpectReadyAndRight(*leased);
  Release(leased);
}

TEST_F(ResidencyTest, WhatIsPinnedOnTheDeviceStays) {
  Start({.device_bytes = 5 * kMiB, .slot_bytes = kLayerSlot});
  ASSERT_THAT(Pin(Layers(Tier::kDevice, 3, 5)), IsOk()) << "nothing has to be left there";
  for (int pass = 0; pass < 5; ++pass) {
    for (int layer = 0; layer < 8; ++layer) Fetch(layer);
  }
  EXPECT_THAT(Present(Tier::kDevice), ElementsAre(3, 4));
}

}  // namespace
}  // namespace ecf8
