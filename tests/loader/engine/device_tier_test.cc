// Compressed residence on the device, in virtual time: what is kept there, what that saves, and
// what goes wrong.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loader/engine/engine_core.h"
#include "loader/model/error_info.h"
#include "tests/loader/engine/eight_layers.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::SimulationOptions;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;

constexpr uint64_t kMiB = 1 << 20;

class DeviceTierTest : public testing::EightLayersTest {
 protected:
  // What the units take in the device's frames.
  static uint64_t FrameBytes(int layers) {
    const uint64_t stored = expected_->model->unit(Layer(0)).stored_size_bytes;
    return static_cast<uint64_t>(layers) * (stored + kDeviceFrameBytes - 1) / kDeviceFrameBytes *
           kDeviceFrameBytes;
  }

  void Fetch(uint32_t unit, UnitForm form = UnitForm::kDecoded) {
    const auto held = Acquire(unit, form);
    ASSERT_TRUE(engine_->RunUntilIdle());
    ExpectReadyAndRight(*held);
    engine_->Release(held);
    ASSERT_TRUE(engine_->RunUntilIdle());
  }
  void WalkAll() {
    for (uint32_t i = 0; i < expected_->model->unit_count(); ++i) Fetch(i);
  }
  EngineStats stats() const { return engine_->core->stats(); }
};

TEST_F(DeviceTierTest, AModelThatFitsCompressedIsDecodedLayerByLayerWithoutAnotherReadOrCopy) {
  StartEngine({.host_bytes = 4 * kMiB, .device_bytes = 32 * kMiB, .slot_bytes = 4 * kMiB});
  WalkAll();
  const EngineStats first = stats();
  EXPECT_EQ(first.device.units, expected_->model->unit_count());
  EXPECT_GT(first.copied_bytes, 0u);
  for (int pass = 0; pass < 3; ++pass) WalkAll();
  const EngineStats later = stats();
  EXPECT_EQ(later.read_bytes, first.read_bytes);
  EXPECT_EQ(later.copied_bytes, first.copied_bytes);
  EXPECT_EQ(later.verified_bytes, first.verified_bytes);
  EXPECT_EQ(later.decoded_bytes, 4 * first.decoded_bytes);
  EXPECT_EQ(later.device.evictions, 0u);
}

TEST_F(DeviceTierTest, WithoutABudgetNothingIsCopied) {
  StartEngine({.host_bytes = 4 * kMiB, .slot_bytes = 4 * kMiB});
  WalkAll();
  EXPECT_EQ(stats().copied_bytes, 0u);
  EXPECT_EQ(stats().device.hits + stats().device.misses, 0u);
}

TEST_F(DeviceTierTest, OfAModelThatDoesNotFitSomeUnitsStayAndTheRestPassesBy) {
  // Half of the layers; one at a time in host memory.
  StartEngine({.host_bytes = 4 * kMiB, .device_bytes = FrameBytes(4), .slot_bytes = 4 * kMiB});
  for (int layer = 0; layer < 8; ++layer) Fetch(Layer(layer));
  const EngineStats first = stats();
  for (int pass = 0; pass < 3; ++pass) {
    for (int layer = 0; layer < 8; ++layer) Fetch(Layer(layer));
  }
  EXPECT_EQ(stats().device.evictions, 0u);
  EXPECT_EQ(stats().copied_bytes, first.copied_bytes);
  // Four layers are on the device, and one each is in its slot and in host memory.
  EXPECT_LE(stats().read_bytes - first.read_bytes, first.read_bytes * 3 / 2);
}

TEST_F(DeviceTierTest, TheArenasCopyOfWhatTheDeviceKeepsGoesFirst) {
  // Three units in host memory; a slot for one.
  StartEngine({.host_bytes = 6 * kMiB, .device_bytes = FrameBytes(1), .slot_bytes = 4 * kMiB});
  Fetch(Layer(0));  // on the device, and in host memory
  Fetch(Layer(1));
  Fetch(Layer(2));
  Fetch(Layer(3));  // in place of layer 0
  const uint64_t read_bytes = stats().read_bytes;
  for (const int layer : {0, 1, 2, 3}) Fetch(Layer(layer));
  EXPECT_EQ(stats().read_bytes, read_bytes);
  EXPECT_EQ(stats().host.evictions, 1u);
}

TEST_F(DeviceTierTest, StoredBytesThatAreAskedForStayInTheArena) {
  StartEngine({.host_bytes = 6 * kMiB, .device_bytes = FrameBytes(1), .slot_bytes = 4 * kMiB});
  for (const int layer : {0, 1, 2, 0}) Fetch(Layer(layer));
  Fetch(Layer(0), UnitForm::kStored);
  for (const int layer : {1, 2, 0, 3}) Fetch(Layer(layer));
  const uint64_t read_bytes = stats().read_bytes;
  Fetch(Layer(0), UnitForm::kStored);
  EXPECT_EQ(stats().read_bytes, read_bytes);
}

TEST_F(DeviceTierTest, StoredBytesThatTheDeviceAloneHasAreReadAgain) {
  StartEngine({.host_bytes = 2 * kMiB, .device_bytes = FrameBytes(1), .slot_bytes = 4 * kMiB});
  Fetch(Layer(0));
  Fetch(Layer(1));
  const uint64_t read_bytes = stats().read_bytes;
  Fetch(Layer(0), UnitForm::kStored);
  EXPECT_GT(stats().read_bytes, read_bytes);
}

TEST_F(DeviceTierTest, DecodesFromTheDeviceWhileTheBytesAreOnTheirWayToHostMemory) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SimulationOptions options = {
        .host_bytes = 2 * kMiB, .device_bytes = FrameBytes(1), .slot_bytes = 4 * kMiB};
    options.reader.seed = options.device.seed = seed;
    StartEngine(options);
    Fetch(Layer(0));
    Fetch(Layer(1));
    const uint64_t copied_bytes = stats().copied_bytes;
    std::shared_ptr<HeldUnit> stored;
    size_t checked = 0;
    stored =
        engine_->Acquire({.unit_index = Layer(0), .form = UnitForm::kStored, .on_progress = [&] {
                            if (stored != nullptr) engine_->CheckReadyParts(*stored, &checked);
                          }});
    const auto decoded = Acquire(Layer(0));
    ASSERT_TRUE(engine_->RunUntilIdle());
    EXPECT_EQ(checked, stored->parts().size());
    ExpectReadyAndRight(*decoded);
    EXPECT_EQ(stats().copied_bytes, copied_bytes);
    engine_->Release(stored);
    engine_->Release(decoded);
    ASSERT_TRUE(engine_->RunUntilIdle());
  }
}

// Another model would do the same: what is used more takes the place of what is not used any more.
TEST_F(DeviceTierTest, WhatIsNotUsedAnyMoreGivesWayAndIsReadOrCopiedAgain) {
  StartEngine({.host_bytes = 2 * kMiB, .device_bytes = FrameBytes(2), .slot_bytes = 4 * kMiB});
  Fetch(Layer(0));
  Fetch(Layer(1));
  for (int i = 0; i < 40; ++i) {
    Fetch(Layer(2));
    Fetch(Layer(3));
  }
  EXPECT_EQ(stats().device.evictions, 2u);
  const uint64_t read_bytes = stats().read_bytes;
  Fetch(Layer(2));
  Fetch(Layer(3));
  EXPECT_EQ(stats().read_bytes, read_bytes);
  Fetch(Layer(0));
  EXPECT_GT(stats().read_bytes, read_bytes);
}

TEST_F(DeviceTierTest, AUnitIsDecodedFromFramesByOneJob) {
  StartEngine({.host_bytes = 4 * kMiB, .device_bytes = 32 * kMiB, .slot_bytes = 4 * kMiB});
  Fetch(Layer(0));
  Fetch(Layer(1));
  const uint64_t jobs = engine_->device().jobs();
  Fetch(Layer(0));
  EXPECT_EQ(engine_->device().jobs(), jobs + 1);
}

TEST_F(DeviceTierTest, AFailedCopyHurtsTheHoldersOnce) {
  SimulationOptions options = {
      .host_bytes = 6 * kMiB, .device_bytes = FrameBytes(2), .slot_bytes = 8 * kMiB};
  options.device.copy_failure = 1;
  StartEngine(options);
  const auto first = Acquire(Layer(0));
  const auto second = Acquire(Layer(0));
  ASSERT_TRUE(engine_->RunUntilIdle());
  for (const auto& held : {first, second}) {
    EXPECT_THAT(held->status(), StatusIs(absl::StatusCode::kInternal, HasSubstr("layers.0")));
    engine_->Release(held);
  }
  ASSERT_TRUE(engine_->RunUntilIdle());
  EXPECT_EQ(stats().device.units, 0u);
  engine_->device().SetCopyFailure(0);
  Fetch(Layer(0));
  EXPECT_EQ(stats().device.units, 1u);
}

TEST_F(DeviceTierTest, AFailureInTheFramesLeavesTheArenasBytesAlone) {
  StartEngine({.host_bytes = 6 * kMiB, .device_bytes = FrameBytes(2), .slot_bytes = 4 * kMiB});
  Fetch(Layer(0));
  Fetch(Layer(1));  // takes the slot
  const auto stored = Acquire(Layer(0), UnitForm::kStored);
  const uint64_t read_bytes = stats().read_bytes;
  engine_->device().SetFailure(1);
  const auto decoded = Acquire(Layer(0));
  ASSERT_TRUE(engine_->RunUntilIdle());
  EXPECT_THAT(decoded->status(), StatusIs(absl::StatusCode::kInternal, HasSubstr("layers.0")));
  ExpectReadyAndRight(*stored);
  engine_->Release(decoded);
  ASSERT_TRUE(engine_->RunUntilIdle());
  EXPECT_EQ(stats().device.units, 1u) << "the frames are not trusted any more";
  engine_->device().SetFailure(0);
  Fetch(Layer(0));
  EXPECT_EQ(stats().read_bytes, read_bytes);
  engine_->Release(stored);
}

TEST_F(DeviceTierTest, ASlotThatCannotBeReadFailsTheHolder) {
  SimulationOptions options = {.slot_bytes = 4 * kMiB};
  options.device.slot_read_failure = 1;
  StartEngine(options);
  const auto held = Acquire(Layer(0));
  ASSERT_TRUE(engine_->RunUntilIdle());
  ASSERT_TRUE(held->ready());
  std::vector<uint8_t> part(2 * kMiB);
  EXPECT_FALSE(held->CopyPart(1, part.data()));
  EXPECT_THAT(held->status(), StatusIs(absl::StatusCode::kInternal, HasSubstr("layers.0")));
  EXPECT_EQ(GetErrorInfo(held->status())->unit, "layers.0");
  engine_->Release(held);
}

TEST_F(DeviceTierTest, ReleaseInAnyStateGivesEverythingBack) {
  SimulationOptions options = {
      .host_bytes = 2 * kMiB, .device_bytes = FrameBytes(1), .slot_bytes = 4 * kMiB};
  options.device.late = 0.3;
  for (uint64_t when_us = 0; when_us < 12'000; when_us += 307) {
    options.device.seed = when_us;
    StartEngine(options);
    const auto held = Acquire(Layer(0));
    const auto waiting = Acquire(Layer(1));
    engine_->time.At(when_us, [&] { engine_->Release(held); });
    engine_->time.At(when_us + 20, [&] { engine_->Release(waiting); });
    ASSERT_TRUE(engine_->RunUntilIdle());
    Fetch(Layer(0));
    Fetch(Layer(1));
    Fetch(Layer(0));
    engine_.reset();  // checks that nothing is left
  }
}

// A slot saves a read to a unit that is stored nowhere, and a decode to the others.
TEST_F(DeviceTierTest, ASlotIsWorthMoreToWhatIsStoredNowhere) {
  StartEngine({.host_bytes = 2 * kMiB, .device_bytes = FrameBytes(2), .slot_bytes = 8 * kMiB});
  Fetch(Layer(0));
  Fetch(Layer(1));  // both on the device, and in slots
  Fetch(Layer(2));  // for a slot of theirs; the device is full of its equals
  Fetch(Layer(0));
  Fetch(Layer(1));
  Fetch(Layer(0));
  Fetch(Layer(3));  // takes layer 2's place in host memory, but not in its slot
  const uint64_t read_bytes = stats().read_bytes;
  Fetch(Layer(2));
  EXPECT_EQ(stats().read_bytes, read_bytes);
}

}  // namespace
}  // namespace ecf8
