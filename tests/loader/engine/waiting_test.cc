// Who waits for memory, and what lets him go on, in virtual time.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "loader/engine/engine_core.h"
#include "tests/loader/engine/two_models.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::kLayerSlot;
using ::ecf8::testing::kMiB;

// Nobody in these tests has half a minute.
constexpr uint64_t kLongMs = 5000;

class WaitingTest : public testing::TwoModelsTest {
 protected:
  // All the slots there are, for as long as the test likes.
  std::shared_ptr<HeldUnit> StartWithOneSlotLeased(uint64_t more_bytes = 0) {
    Start({.slot_bytes = kLayerSlot + more_bytes});
    auto leased = Acquire(Layer(0));
    EXPECT_TRUE(engine_->RunUntilIdle());
    EXPECT_TRUE(leased->ready());
    return leased;
  }
};

TEST_F(WaitingTest, WhenOneGivesUpThoseBehindAreTried) {
  const auto leased = StartWithOneSlotLeased(3 * kMiB);
  const auto large = Acquire(Layer(1));
  const auto small = Acquire(Unit("head"));
  RunFor(kLongMs);
  EXPECT_FALSE(small->begun()) << "or the large one might wait for ever";
  engine_->Release(large);
  RunFor(kLongMs);
  EXPECT_TRUE(small->ready());
  Release(small);
  Release(leased);
}

TEST_F(WaitingTest, WhoNeedsNoSlotDoesNotWaitForOne) {
  const auto leased = StartWithOneSlotLeased();
  const auto demand = Acquire(Layer(1));
  const auto stored = Acquire(Layer(2), UnitForm::kStored);
  const auto hint = Acquire(Layer(3), UnitForm::kStored, Priority::kHinted);
  const auto preload = StartPreload(4, Tier::kHost, 1);
  RunFor(kLongMs);
  EXPECT_FALSE(demand->begun());
  for (const auto& held : {stored, hint, preload}) {
    EXPECT_TRUE(held->ready());
    engine_->Release(held);
  }
  engine_->Release(leased);
  ASSERT_TRUE(engine_->RunUntilIdle());
  ExpectReadyAndRight(*demand);
  Release(demand);
}

// A client that does not read, and asks for more.
TEST_F(WaitingTest, AHintThatFindsNoMemoryHoldsUpNoPreload) {
  Start({.slot_bytes = 2 * kLayerSlot});
  const auto read = Acquire(Layer(0), UnitForm::kDecoded, Priority::kDemand, /*revocable=*/true);
  const auto ahead = Acquire(Layer(1), UnitForm::kDecoded, Priority::kHinted, /*revocable=*/true);
  const auto more = Acquire(Layer(2), UnitForm::kDecoded, Priority::kHinted, /*revocable=*/true);
  RunFor(kLongMs);
  EXPECT_FALSE(more->begun()) << "a hint alone is worth nobody's hold";
  const auto preload = StartPreload(5, Tier::kSlots, 1);
  RunFor(kLongMs);
  EXPECT_TRUE(preload->declined());
  EXPECT_FALSE(more->begun());
  for (const auto& held : {read, ahead, more, preload}) engine_->Release(held);
  ASSERT_TRUE(engine_->RunUntilIdle());
}

TEST_F(WaitingTest, WhatADemandHasLeftBehindIsNoDemand) {
  const auto leased = StartWithOneSlotLeased();
  const auto demand = Acquire(Layer(2));
  const auto preload = StartPreload(2, Tier::kSlots);
  RunFor(kLongMs);
  EXPECT_FALSE(preload->declined());
  engine_->Release(demand);
  RunFor(kLongMs);
  EXPECT_TRUE(preload->declined());
  Release(preload);
  Release(leased);
}

TEST_F(WaitingTest, AHoldThatWasTakenBackRaisesNobody) {
  Start({.slot_bytes = kLayerSlot});
  const auto idle = Acquire(Layer(1), UnitForm::kDecoded, Priority::kHinted, /*revocable=*/true);
  ASSERT_TRUE(engine_->RunUntilIdle());
  const auto leased = Acquire(Layer(0));
  ASSERT_TRUE(engine_->RunUntilIdle());
  EXPECT_EQ(core().stats().revoked_holds, 1u);
  const auto hint = Acquire(Layer(1), UnitForm::kDecoded, Priority::kHinted);
  core().Raise(idle, Priority::kDemand);
  RunFor(kLongMs);
  EXPECT_EQ(core().stats().waiting[static_cast<size_t>(Priority::kHinted)], 1u);
  core().Raise(hint, Priority::kDemand);
  EXPECT_EQ(core().stats().waiting[static_cast<size_t>(Priority::kDemand)], 1u);
  for (const auto& held : {idle, hint, leased}) engine_->Release(held);
  ASSERT_TRUE(engine_->RunUntilIdle());
}

TEST_F(WaitingTest, APreloadIsDeclinedWhenWhatItWaitedForIsLeased) {
  Start({.slot_bytes = kLayerSlot});
  const auto read = Acquire(Layer(0), UnitForm::kDecoded, Priority::kDemand, /*revocable=*/true);
  ASSERT_TRUE(engine_->RunUntilIdle());
  Wait(UnitTiers::kUnusedAfterMs);
  const auto preload = StartPreload(5, Tier::kSlots, 1);
  RunFor(1);
  EXPECT_FALSE(preload->declined());
  const auto leased = Acquire(Layer(0));
  engine_->Release(read);
  RunFor(kLongMs);
  EXPECT_TRUE(preload->declined());
  Release(preload);
  Release(leased);
}

TEST_F(WaitingTest, APinnedPreloadOfAModelThatGoesIsDeclined) {
  const auto leased = StartWithOneSlotLeased(kLayerSlot);
  const auto other = Acquire(Layer(1));
  ASSERT_TRUE(engine_->RunUntilIdle());
  ASSERT_TRUE(Pin(Layers(Tier::kSlots, 0, 1, 1)).ok());
  const auto preload = StartPreload(0, Tier::kSlots, 1);
  RunFor(kLongMs);
  EXPECT_FALSE(preload->declined());
  engine_->RetireModel(1);
  RunFor(kLongMs);
  EXPECT_TRUE(preload->declined());
  for (const auto& held : {preload, other, leased}) engine_->Release(held);
  ASSERT_TRUE(engine_->RunUntilIdle());
}

}  // namespace
}  // namespace ecf8
