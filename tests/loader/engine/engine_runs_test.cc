// Slots that are an owner's own, in virtual time: what is given for them, when, and what becomes of
// the slots that all share.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "loader/engine/engine_core.h"
#include "tests/loader/engine/eight_layers.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::SimulationOptions;
using ::ecf8::testing::StatusIs;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kLayerSlot = 4 * kMiB;
constexpr uint8_t kNobodys = 0x77;

class EngineRunsTest : public testing::EightLayersTest {
 protected:
  using Answer = std::optional<absl::StatusOr<RunRoom>>;

  EngineCore& core() { return *engine_->core; }
  absl::Span<uint8_t> slots() { return engine_->device().slot_memory_dev(); }

  // The device takes the memory when it is told that it may: whoever looks there then is wrong.
  std::shared_ptr<Answer> OpenRun(uint64_t least_bytes, uint64_t most_bytes) {
    auto answer = std::make_shared<Answer>();
    core().OpenRun({.least_bytes = least_bytes,
                    .most_bytes = most_bytes,
                    .on_room = [this, answer](const absl::StatusOr<RunRoom>& room) {
                      *answer = room;
                      if (room.ok()) taken_bytes_ += room->granted_bytes;
                      Wipe();
                      if (!room.ok() || room->granted_bytes == 0) return;
                      EXPECT_LE(room->kept_bytes + taken_bytes_, slots().size());
                      core().RunMade(0);
                    }});
    engine_->AdvanceSoon();
    return answer;
  }
  void CloseRun(uint64_t bytes) {
    ExpectNobodyIsBehind();
    taken_bytes_ -= bytes;
    core().CloseRun(bytes, /*missing_bytes=*/0);
    engine_->AdvanceSoon();
  }
  absl::Span<uint8_t> Taken() { return slots().last(taken_bytes_); }
  void Wipe() { std::fill(Taken().begin(), Taken().end(), kNobodys); }
  void ExpectNobodyIsBehind() {
    EXPECT_TRUE(
        std::all_of(Taken().begin(), Taken().end(), [](uint8_t byte) { return byte == kNobodys; }));
  }

  uint64_t taken_bytes_ = 0;
};

TEST_F(EngineRunsTest, GetsWhatIsLeftBesideRoomForAnyUnit) {
  StartEngine({.slot_bytes = 8 * kLayerSlot});
  auto too_much = OpenRun(8 * kLayerSlot, 9 * kLayerSlot);
  ASSERT_TRUE(*too_much);
  EXPECT_EQ((*too_much)->value().granted_bytes, 0u);
  EXPECT_EQ((*too_much)->value().left_bytes, 7 * kLayerSlot);
  auto run = OpenRun(1, 9 * kLayerSlot);
  ASSERT_TRUE(engine_->RunUntilIdle());
  ASSERT_TRUE(*run);
  EXPECT_EQ((*run)->value().granted_bytes, 7 * kLayerSlot);
  // One after the other, in the one slot that is left.
  for (int layer = 0; layer < 8; ++layer) {
    const auto held = Acquire(Layer(layer));
    ASSERT_TRUE(engine_->RunUntilIdle());
    ExpectReadyAndRight(*held);
    engine_->Release(held);
  }
  CloseRun(7 * kLayerSlot);
  ASSERT_TRUE(engine_->RunUntilIdle());
  EXPECT_EQ(engine_->grants().free_bytes(), 8 * kLayerSlot);
}

TEST_F(EngineRunsTest, WaitsForWhatIsHeldThereAndTakesIdleHoldsBack) {
  StartEngine({.slot_bytes = 4 * kLayerSlot});
  std::vector<std::shared_ptr<HeldUnit>> held;
  for (int layer = 0; layer < 4; ++layer) {
    held.push_back(Acquire(Layer(layer), UnitForm::kDecoded, Priority::kDemand,
                           /*revocable=*/layer != 3));
  }
  ASSERT_TRUE(engine_->RunUntilIdle());
  auto run = OpenRun(3 * kLayerSlot, 3 * kLayerSlot);
  ASSERT_TRUE(engine_->RunUntilIdle(engine_->time.now_us() + 1'000'000) || !*run);
  // Layer 3's may not be taken back, wherever it lies; the others' were.
  if (!*run) {
    engine_->Release(held[3]);
    held.pop_back();
    ASSERT_TRUE(engine_->RunUntilIdle());
    ASSERT_TRUE(*run);
  }
  EXPECT_EQ((*run)->value().granted_bytes, 3 * kLayerSlot);
  EXPECT_GE(core().stats().revoked_holds, 2u);
  if (engine_->grants().free_bytes() == kLayerSlot) ExpectNobodyIsBehind();
  for (const auto& hold : held) engine_->Release(hold);
  CloseRun(3 * kLayerSlot);
  ASSERT_TRUE(engine_->RunUntilIdle());
}

TEST_F(EngineRunsTest, GivesUpAfterAWhile) {
  StartEngine({.slot_bytes = 2 * kLayerSlot});
  const auto first = Acquire(Layer(0));
  const auto second = Acquire(Layer(1));
  ASSERT_TRUE(engine_->RunUntilIdle());
  auto run = OpenRun(kLayerSlot, kLayerSlot);
  ASSERT_TRUE(engine_->RunUntilIdle());
  ASSERT_TRUE(*run);
  EXPECT_THAT((*run)->status(), StatusIs(absl::StatusCode::kResourceExhausted, ::testing::_));
  EXPECT_GE(engine_->time.now_us(), 10'000'000u);
  EXPECT_EQ(engine_->grants().free_bytes(), 2 * kLayerSlot);
  ExpectReadyAndRight(*first);
  engine_->Release(first);
  engine_->Release(second);
  ASSERT_TRUE(engine_->RunUntilIdle());
}

// Memory that nobody has leaves the slots smaller.
TEST_F(EngineRunsTest, WhatIsMissingIsNobodys) {
  StartEngine({.slot_bytes = 4 * kLayerSlot});
  auto run = OpenRun(2 * kLayerSlot, 2 * kLayerSlot);
  ASSERT_TRUE(engine_->RunUntilIdle());
  core().CloseRun(2 * kLayerSlot, /*missing_bytes=*/kLayerSlot);
  taken_bytes_ = kLayerSlot;
  for (int layer = 0; layer < 8; ++layer) engine_->Release(Acquire(Layer(layer)));
  ASSERT_TRUE(engine_->RunUntilIdle());
  ExpectNobodyIsBehind();
  auto refused = OpenRun(3 * kLayerSlot, 3 * kLayerSlot);
  EXPECT_EQ((*refused)->value().left_bytes, 2 * kLayerSlot);
  core().SetMissingSlots(0);
  taken_bytes_ = 0;
  auto again = OpenRun(3 * kLayerSlot, 3 * kLayerSlot);
  ASSERT_TRUE(engine_->RunUntilIdle());
  EXPECT_EQ((*again)->value().granted_bytes, 3 * kLayerSlot);
  CloseRun(3 * kLayerSlot);
  ASSERT_TRUE(engine_->RunUntilIdle());
}

// What is pinned comes back where there is room for it.
TEST_F(EngineRunsTest, PinnedUnitsGiveWayAndComeBack) {
  StartEngine({.slot_bytes = 6 * kLayerSlot});
  UnitSet set{.model = 0, .tier = Tier::kSlots, .units = {Layer(0), Layer(1)}};
  ASSERT_THAT(core().Pin(set, PinReason::kKept), IsOk());
  for (int layer = 0; layer < 2; ++layer) {
    const auto held = Acquire(Layer(layer));
    ASSERT_TRUE(engine_->RunUntilIdle());
    engine_->Release(held);
  }
  ASSERT_TRUE(engine_->RunUntilIdle());
  auto run = OpenRun(kLayerSlot, 6 * kLayerSlot);
  ASSERT_TRUE(engine_->RunUntilIdle());
  EXPECT_EQ((*run)->value().granted_bytes, 3 * kLayerSlot);
  for (int layer = 0; layer < 8; ++layer) {
    const auto held = Acquire(Layer(layer));
    ASSERT_TRUE(engine_->RunUntilIdle());
    ExpectReadyAndRight(*held);
    engine_->Release(held);
  }
  EXPECT_TRUE(core().AbsentOf(set).empty());
  CloseRun(3 * kLayerSlot);
  core().Unpin(set, PinReason::kKept);
  ASSERT_TRUE(engine_->RunUntilIdle());
}

// Whatever comes and goes, in whatever order: nobody is where a run's memory came from.
TEST_F(EngineRunsTest, NobodyIsWhereARunWasTakenFrom) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    StartEngine({.host_bytes = 16 * kMiB,
                 .device_bytes = seed % 2 * 8 * kMiB,
                 .slot_bytes = 6 * kLayerSlot,
                 .reader = {.seed = seed},
                 .device = {.seed = seed}});
    taken_bytes_ = 0;
    std::vector<std::shared_ptr<HeldUnit>> held;
    std::vector<std::shared_ptr<Answer>> runs;
    for (int step = 0; step < 60; ++step) {
      const uint64_t what = random() % 8;
      if (what < 3) {
        held.push_back(Acquire(static_cast<uint32_t>(random() % 10), UnitForm::kDecoded,
                               static_cast<Priority>(random() % 2), /*revocable=*/true));
      } else if (what < 5 && !held.empty()) {
        const size_t which = random() % held.size();
        engine_->Release(held[which]);
        held.erase(held.begin() + static_cast<ptrdiff_t>(which));
      } else if (what == 5) {
        runs.push_back(OpenRun(kLayerSlot / 2, (1 + random() % 4) * kLayerSlot / 2));
      } else if (what == 6 && !runs.empty() && *runs.front()) {
        const absl::StatusOr<RunRoom>& room = **runs.front();
        if (room.ok() && room->granted_bytes > 0) CloseRun(room->granted_bytes);
        runs.erase(runs.begin());
      }
      for (uint64_t events = random() % 30; events > 0 && engine_->time.RunNext(); --events) {
      }
      for (const auto& hold : held) {
        size_t checked = 0;
        engine_->CheckReadyParts(*hold, &checked);
      }
    }
    for (const auto& hold : held) engine_->Release(hold);
    ASSERT_TRUE(engine_->RunUntilIdle());
    for (const auto& run : runs) {
      ASSERT_TRUE(*run);
      const absl::StatusOr<RunRoom>& room = **run;
      if (room.ok() && room->granted_bytes > 0) CloseRun(room->granted_bytes);
    }
    ASSERT_TRUE(engine_->RunUntilIdle());
    EXPECT_EQ(engine_->grants().free_bytes(), 6 * kLayerSlot);
    engine_.reset();
  }
}

}  // namespace
}  // namespace ecf8
