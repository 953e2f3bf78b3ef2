// The engine's decisions, one at a time, in virtual time.

#include "loader/engine/engine_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "loader/model/error_info.h"
#include "tests/loader/engine/eight_layers.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::ExpectedModel;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::SimulatedEngine;
using ::ecf8::testing::SimulationOptions;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;

using EngineCoreTest = testing::EightLayersTest;

TEST_F(EngineCoreTest, EveryUnitInEveryForm) {
  StartEngine();
  for (uint32_t i = 0; i < expected_->model->unit_count(); ++i) {
    for (const UnitForm form : {UnitForm::kStored, UnitForm::kDecoded, UnitForm::kStoredInSlot}) {
      const auto held = Acquire(i, form);
      ASSERT_TRUE(engine_->RunUntilIdle());
      ExpectReadyAndRight(*held);
      engine_->Release(held);
    }
  }
  EXPECT_EQ(engine_->core->stats().failed_units, 0u);
}

TEST_F(EngineCoreTest, TwoRequestsShareOneReadAndOneDecode) {
  StartEngine();
  const auto first = Acquire(Layer(0));
  const auto second = Acquire(Layer(0));
  ASSERT_TRUE(engine_->RunUntilIdle());
  const auto third = Acquire(Layer(0));
  ASSERT_TRUE(engine_->RunUntilIdle());
  const EngineStats stats = engine_->core->stats();
  EXPECT_EQ(stats.read_bytes, first->unit().stored_size_bytes);
  EXPECT_EQ(stats.slots.misses, 1u);
  EXPECT_EQ(stats.slots.hits, 2u);
  for (const auto& held : {first, second, third}) {
    ExpectReadyAndRight(*held);
    engine_->Release(held);
  }
}

// Asked for in one breath, before anything of it has begun.
TEST_F(EngineCoreTest, RequestsThatJoinOneThatWaitsAreHits) {
  using enum UnitForm;
  for (const std::vector<UnitForm>& forms :
       {std::vector{kDecoded, kDecoded}, std::vector{kDecoded, kStored},
        std::vector{kStored, kDecoded}, std::vector{kStoredInSlot, kStored},
        std::vector{kStoredInSlot, kStoredInSlot}, std::vector{kStored, kStoredInSlot},
        std::vector{kStored, kStored, kDecoded, kDecoded}}) {
    StartEngine();
    std::vector<std::shared_ptr<HeldUnit>> holds;
    for (const UnitForm form : forms) holds.push_back(Acquire(Layer(0), form));
    ASSERT_TRUE(engine_->RunUntilIdle());
    const EngineStats stats = engine_->core->stats();
    EXPECT_EQ(stats.host.misses, 1u);
    EXPECT_LE(stats.slots.misses, 1u);
    EXPECT_EQ(stats.read_bytes, holds[0]->unit().stored_size_bytes);
    for (const auto& held : holds) engine_->Release(held);
  }
}

// One read, each part checked once, whoever it is for.
TEST_F(EngineCoreTest, BothFormsInSlotsShareOneRead) {
  StartEngine();
  const auto decoded = Acquire(Layer(0));
  const auto stored = Acquire(Layer(0), UnitForm::kStoredInSlot);
  const auto again = Acquire(Layer(0), UnitForm::kStoredInSlot);
  ASSERT_TRUE(engine_->RunUntilIdle());
  const EngineStats stats = engine_->core->stats();
  EXPECT_EQ(stats.read_bytes, decoded->unit().stored_size_bytes);
  uint64_t part_bytes = 0;
  for (const UnitPart& part : decoded->parts()) part_bytes += part.stored_size_bytes;
  EXPECT_EQ(stats.verified_bytes, part_bytes);
  EXPECT_EQ(stats.copied_bytes, part_bytes);
  EXPECT_EQ(stats.slots.units, 2u);
  EXPECT_EQ(stats.slots.misses, 2u);
  EXPECT_EQ(stats.slots.hits, 1u);
  EXPECT_EQ(stored->slot_dev().size(), stored->unit().stored_size_bytes);
  EXPECT_NE(stored->slot_dev().data(), decoded->slot_dev().data());
  EXPECT_EQ(stored->slot_dev().data(), again->slot_dev().data());
  for (const auto& held : {decoded, stored, again}) {
    ExpectReadyAndRight(*held);
    engine_->Release(held);
  }
}

// In one memory: what is idle goes, in whichever form it lies there.
TEST_F(EngineCoreTest, TheFormsInSlotsGiveWayToEachOther) {
  SimulationOptions options;
  options.slot_bytes = 4 << 20;  // one layer decoded, or two stored
  StartEngine(options);
  const auto use = [&](int layer, UnitForm form) {
    const auto held = Acquire(Layer(layer), form);
    ASSERT_TRUE(engine_->RunUntilIdle());
    ExpectReadyAndRight(*held);
    engine_->Release(held);
  };
  const auto units = [&] { return engine_->core->stats().slots.units; };
  use(0, UnitForm::kStoredInSlot);
  use(1, UnitForm::kStoredInSlot);
  EXPECT_EQ(units(), 2u);
  use(0, UnitForm::kDecoded);
  EXPECT_EQ(units(), 1u);
  EXPECT_EQ(engine_->core->stats().slots.evictions, 2u);
  use(0, UnitForm::kStoredInSlot);
  EXPECT_EQ(units(), 1u);
  // What is held does not: the other form waits for it.
  const auto held = Acquire(Layer(2), UnitForm::kStoredInSlot);
  ASSERT_TRUE(engine_->RunUntilIdle());
  const auto waits = Acquire(Layer(2));
  ASSERT_TRUE(engine_->RunUntilIdle(engine_->time.now_us() + 1'000'000) || !waits->begun());
  EXPECT_FALSE(waits->begun());
  ExpectReadyAndRight(*held);
  engine_->Release(held);
  ASSERT_TRUE(engine_->RunUntilIdle());
  ExpectReadyAndRight(*waits);
  engine_->Release(waits);
}

// Else a unit that is always hinted first would look as if nobody used it, and go.
TEST_F(EngineCoreTest, BothTiersLearnThatAHintHasBecomeADemand) {
  SimulationOptions options;
  options.host_bytes = 5 << 20;  // two layers
  options.slot_bytes = 4 << 20;  // one
  const auto read_bytes_of_a_walk = [&](bool hints) {
    StartEngine(options);
    for (int step = 0; step < 48; ++step) {
      const bool hinted = hints && step % 4 == 0;
      const auto held = Acquire(Layer(step % 4), UnitForm::kDecoded,
                                hinted ? Priority::kHinted : Priority::kDemand);
      EXPECT_TRUE(engine_->RunUntilIdle());
      if (hinted) engine_->core->Raise(held, Priority::kDemand);
      engine_->Release(held);
    }
    EXPECT_TRUE(engine_->RunUntilIdle());
    return engine_->core->stats().read_bytes;
  };
  EXPECT_EQ(read_bytes_of_a_walk(/*hints=*/true), read_bytes_of_a_walk(/*hints=*/false));
}

TEST_F(EngineCoreTest, WhatIsStoredInTheArenaIsNotReadAgain) {
  SimulationOptions options;
  options.slot_bytes = 4 << 20;  // one layer
  StartEngine(options);
  for (const int layer : {0, 1, 0, 1}) {
    const auto held = Acquire(Layer(layer));
    ASSERT_TRUE(engine_->RunUntilIdle());
    ExpectReadyAndRight(*held);
    engine_->Release(held);
  }
  const EngineStats stats = engine_->core->stats();
  EXPECT_EQ(stats.host.misses, 2u);
  EXPECT_EQ(stats.host.hits, 2u);
  uint64_t part_bytes = 0;
  for (const int layer : {0, 1}) {
    for (const UnitPart& part : ListUnitParts(expected_->model->unit(Layer(layer)))) {
      part_bytes += part.stored_size_bytes;
    }
  }
  EXPECT_EQ(stats.verified_bytes, part_bytes) << "what has been checked is not checked again";
}

TEST_F(EngineCoreTest, PartsAreReadyBeforeTheUnitIs) {
  StartEngine();
  std::vector<size_t> seen;
  std::shared_ptr<HeldUnit> held;
  held = engine_->Acquire({.unit_index = Layer(0), .on_progress = [&] {
                             if (held != nullptr) seen.push_back(held->ready_parts());
                           }});
  ASSERT_TRUE(engine_->RunUntilIdle());
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.back(), held->parts().size());
  EXPECT_LT(seen.front(), held->parts().size());
  engine_->Release(held);
}

TEST_F(EngineCoreTest, WhoeverCannotEverFitIsToldByHowMuch) {
  SimulationOptions options;
  options.slot_bytes = 2 << 20;
  StartEngine(options);
  const auto held = engine_->core->MakeHold({.unit_index = Layer(0)});
  ASSERT_THAT(held, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("2097152 bytes")));
  const auto info = GetErrorInfo(held.status());
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->reason, ErrorReason::kBudgetTooSmall);
  EXPECT_EQ(info->shortfall_bytes, 2u << 20);
  const auto stored = Acquire(Layer(0), UnitForm::kStored);
  ASSERT_TRUE(engine_->RunUntilIdle());
  ExpectReadyAndRight(*stored);
  engine_->Release(stored);
}

TEST_F(EngineCoreTest, DemandGoesBeforeHintsAndHintsBeforePreloads) {
  SimulationOptions options;
  options.slot_bytes = 8 << 20;
  StartEngine(options);
  // A preload that has to have a slot.
  ASSERT_THAT(engine_->core->Pin({.tier = Tier::kSlots, .units = {Layer(1)}}, PinReason::kKept),
              IsOk());
  const auto first = Acquire(Layer(0));
  const auto other = Acquire(Layer(3));
  ASSERT_TRUE(engine_->RunUntilIdle(1'000'000));
  const auto preload = Acquire(Layer(1), UnitForm::kDecoded, Priority::kPreload);
  const auto demand = Acquire(Layer(2), UnitForm::kDecoded, Priority::kDemand);
  engine_->Release(first);
  engine_->RunUntilIdle(5'000'000);
  ExpectReadyAndRight(*demand);
  EXPECT_FALSE(preload->begun());
  engine_->Release(demand);
  engine_->RunUntilIdle(9'000'000);
  ExpectReadyAndRight(*preload);
  engine_->Release(preload);
  engine_->Release(other);
  EXPECT_TRUE(engine_->RunUntilIdle());
}

// Memory for one layer at a time: who asks for one does not wait for all that another has asked
// for.
TEST_F(EngineCoreTest, TwoFlowsTakeTurns) {
  SimulationOptions options;
  options.slot_bytes = 4 << 20;
  StartEngine(options);
  std::vector<uint32_t> order;
  std::vector<std::shared_ptr<HeldUnit>> holds;
  const auto ask = [&](uint32_t layer, uint64_t flow) {
    const size_t i = holds.size();
    holds.push_back(nullptr);
    holds[i] = engine_->Acquire(
        {.unit_index = Layer(static_cast<int>(layer)), .flow = flow, .on_progress = [&, i, layer] {
           if (holds[i] == nullptr || !holds[i]->ready()) return;
           order.push_back(layer);
           engine_->time.At(1, [&, i] {
             if (holds[i] != nullptr) engine_->Release(holds[i]);
             holds[i] = nullptr;
           });
         }});
  };
  for (uint32_t layer = 0; layer < 7; ++layer) ask(layer, 1);
  ask(7, 2);
  ASSERT_TRUE(engine_->RunUntilIdle());
  ASSERT_EQ(order.size(), 8u);
  // A quantum of the first flow's, then the second's.
  const uint64_t layer_bytes = expected_->model->unit(Layer(0)).decoded_size_bytes;
  const auto turn = static_cast<size_t>(kFlowQuantumBytes / layer_bytes) + 1;
  ASSERT_LT(turn, 7u);
  EXPECT_EQ(order[turn], 7u);
}

TEST_F(EngineCoreTest, ARaisedHintGoesBeforeAnotherHint) {
  SimulationOptions options;
  options.slot_bytes = 4 << 20;
  StartEngine(options);
  const auto first = Acquire(Layer(0));
  ASSERT_TRUE(engine_->RunUntilIdle());
  const auto hint = Acquire(Layer(1), UnitForm::kDecoded, Priority::kHinted);
  const auto raised = Acquire(Layer(2), UnitForm::kDecoded, Priority::kHinted);
  engine_->core->Raise(raised, Priority::kDemand);
  engine_->Release(first);
  engine_->RunUntilIdle(engine_->time.now_us() + 5'000'000);
  ExpectReadyAndRight(*raised);
  EXPECT_FALSE(hint->begun());
  EXPECT_EQ(engine_->core->stats().slots.misses, 3u) << "raising is no request";
  engine_->Release(raised);
  ASSERT_TRUE(engine_->RunUntilIdle());
  ExpectReadyAndRight(*hint);
  engine_->Release(hint);
  ASSERT_TRUE(engine_->RunUntilIdle());
}

TEST_F(EngineCoreTest, AnIdleRevocableHoldGivesWayToWhoWaits) {
  SimulationOptions options;
  options.slot_bytes = 4 << 20;
  StartEngine(options);
  const auto slow = Acquire(Layer(0), UnitForm::kDecoded, Priority::kDemand, true);
  ASSERT_TRUE(engine_->RunUntilIdle());
  ExpectReadyAndRight(*slow);
  const auto other = Acquire(Layer(1));
  ASSERT_TRUE(engine_->RunUntilIdle());
  ExpectReadyAndRight(*other);
  std::vector<uint8_t> part(2 << 20);
  EXPECT_FALSE(slow->CopyPart(1, part.data()));
  EXPECT_EQ(engine_->core->stats().revoked_holds, 1u);
  engine_->Release(slow);
  engine_->Release(other);
}

TEST_F(EngineCoreTest, ABadDiskHurtsOnlyThoseWhoAskAndOnlyAsLongAsItIsBad) {
  StartEngine();
  engine_->reader().SetError(expected_->shard_path(), EIO);
  const auto stored = Acquire(Layer(0), UnitForm::kStored);
  const auto decoded = Acquire(Layer(0));
  ASSERT_TRUE(engine_->RunUntilIdle());
  for (const auto& held : {stored, decoded}) {
    EXPECT_THAT(held->status(),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("unit \"layers.0\"")));
    const auto info = GetErrorInfo(held->status());
    ASSERT_TRUE(info.has_value());
    EXPECT_EQ(info->reason, ErrorReason::kReadFailed);
    EXPECT_EQ(info->shard, "model.safetensors");
    EXPECT_GE(info->offset_bytes, held->unit().offset_bytes);
  }
  engine_->reader().SetError(expected_->shard_path(), 0);
  // The failed holds are still there: a new one does not share their fate.
  const auto again = Acquire(Layer(0));
  engine_->Release(stored);
  engine_->Release(decoded);
  ASSERT_TRUE(engine_->RunUntilIdle());
  ExpectReadyAndRight(*again);
  engine_->Release(again);
}

TEST_F(EngineCoreTest, ReleaseInAnyStateGivesEverythingBack) {
  SimulationOptions options;
  options.slot_bytes = 4 << 20;
  for (uint64_t when_us = 0; when_us < 8000; when_us += 211) {
    StartEngine(options);
    const auto held = Acquire(Layer(0));
    const auto waiting = Acquire(Layer(1));
    engine_->time.At(when_us, [&] { engine_->Release(held); });
    engine_->time.At(when_us + 20, [&] { engine_->Release(waiting); });
    ASSERT_TRUE(engine_->RunUntilIdle());
    engine_.reset();  // checks that nothing is left
  }
}

}  // namespace
}  // namespace ecf8
