// Engines that find in memory what the one before has left.
//
//   ECF8_SIMULATION_RUNS=5000 build/release/bin/engine_simulation_test
//   --gtest_filter='*KilledAtAnyMoment*'

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "loader/engine/engine.h"
#include "loader/memory/kept_memory.h"
#include "tests/loader/engine/eight_layers.h"
#include "tests/support/held_descriptors.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::ExpectedModel;
using ::ecf8::testing::HeldDescriptors;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::SimulatedEngine;
using ::ecf8::testing::SimulationOptions;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kHostBytes = 16 << 20;  // the eight layers

class EngineKeptTest : public testing::EightLayersTest {
 protected:
  // The next process.
  void Restart(SimulationOptions options = {}) {
    engine_.reset();
    kept_.reset();
    kept_ = *KeptMemory::Open(store_, kHostBytes);
    options.host_bytes = kHostBytes;
    options.slot_bytes = std::max<uint64_t>(options.slot_bytes, 12 << 20);
    options.kept = kept_.get();
    StartEngine(options);
  }

  // Uses layers 0 to 2.
  void Fill() {
    for (const int layer : {0, 1, 2}) Use(Layer(layer), UnitForm::kDecoded);
  }
  void Use(uint32_t unit, UnitForm form) {
    const auto held = Acquire(unit, form);
    ASSERT_TRUE(engine_->RunUntilIdle());
    ExpectReadyAndRight(*held);
    engine_->Release(held);
    ASSERT_TRUE(engine_->RunUntilIdle());
  }
  EngineStats stats() const { return engine_->core->stats(); }

  // Changes a byte of what lies in memory of a unit, when no engine is there.
  void Flip(uint32_t unit_index, uint64_t offset_bytes) {
    engine_.reset();
    kept_.reset();
    kept_ = *KeptMemory::Open(store_, kHostBytes);
    for (const LedgerUnit& unit : kept_->units()) {
      if (unit.unit_index != unit_index) continue;
      ASSERT_EQ(unit.frames.size(), 1u);
      const auto at = static_cast<off_t>(unit.frames[0].first * kFrameBytes + offset_bytes);
      uint8_t byte = 0;
      ASSERT_EQ(pread(kept_->fd(), &byte, 1, at), 1);
      byte ^= 0x10;
      ASSERT_EQ(pwrite(kept_->fd(), &byte, 1, at), 1);
      return;
    }
    FAIL() << "it was not kept";
  }

  HeldDescriptors store_;
  std::unique_ptr<KeptMemory> kept_;
};

TEST_F(EngineKeptTest, WhatWasLeftIsNotReadAgain) {
  Restart();
  Fill();
  EXPECT_EQ(stats().kept_units, 0u);
  Restart();
  EXPECT_EQ(stats().kept_units, 3u);
  EXPECT_EQ(stats().host.units, 3u);
  EXPECT_EQ(stats().verified_bytes, 0u) << "nobody wanted it yet";
  for (const UnitForm form : {UnitForm::kStored, UnitForm::kDecoded}) {
    for (const int layer : {2, 0, 1}) Use(Layer(layer), form);
  }
  uint64_t part_bytes = 0;
  for (const int layer : {0, 1, 2}) {
    for (const UnitPart& part : ListUnitParts(expected_->model->unit(Layer(layer)))) {
      part_bytes += part.stored_size_bytes;
    }
  }
  EXPECT_EQ(stats().read_bytes, 0u);
  EXPECT_EQ(stats().host.misses, 0u);
  EXPECT_EQ(stats().bad_kept_units, 0u);
  EXPECT_EQ(stats().verified_bytes, part_bytes) << "each once";
  Use(Layer(3), UnitForm::kDecoded);
  Restart();  // what was taken up is left to the next, too
  EXPECT_EQ(stats().kept_units, 4u);
}

TEST_F(EngineKeptTest, WhatIsDamagedIsReadAgain) {
  const uint64_t stored_bytes = expected_->model->unit(Layer(1)).stored_size_bytes;
  const UnitPart last = ListUnitParts(expected_->model->unit(Layer(1))).back();
  for (const uint64_t at : {uint64_t{0}, stored_bytes / 2, last.stored_end_bytes() - 1}) {
    for (const UnitForm form : {UnitForm::kDecoded, UnitForm::kStored}) {
      Restart();
      Fill();
      Flip(Layer(1), at);
      SimulationOptions options;
      options.device.host_job_bytes = 1;  // a part a job: others are on their way when one fails
      Restart(options);
      const uint64_t kept_units = stats().kept_units;
      EXPECT_GE(kept_units, 3u);
      for (const int layer : {0, 1, 2}) Use(Layer(layer), form);
      EXPECT_EQ(stats().bad_kept_units, 1u) << at;
      EXPECT_EQ(stats().read_bytes, stored_bytes);
      EXPECT_EQ(stats().failed_units, 0u);
    }
  }
}

TEST_F(EngineKeptTest, ManyWaitForOneCheck) {
  Restart();
  Fill();
  for (const bool is_bad : {false, true}) {
    if (is_bad) Flip(Layer(0), 1000);
    Restart();
    const auto hinted = Acquire(Layer(0), UnitForm::kDecoded, Priority::kHinted);
    const auto stored = Acquire(Layer(0), UnitForm::kStored);
    const auto decoded = Acquire(Layer(0));
    const auto given_up = Acquire(Layer(0), UnitForm::kStored);
    EXPECT_FALSE(stored->begun());
    engine_->Release(given_up);
    engine_->core->Raise(hinted, Priority::kDemand);
    ASSERT_TRUE(engine_->RunUntilIdle());
    for (const auto& held : {hinted, stored, decoded}) {
      ExpectReadyAndRight(*held);
      engine_->Release(held);
    }
    EXPECT_EQ(stats().bad_kept_units, is_bad ? 1u : 0u);
    EXPECT_EQ(stats().host.misses, 0u);
  }
}

TEST_F(EngineKeptTest, WhoGivesUpLeavesItChecked) {
  Restart();
  Fill();
  Restart();
  const auto held = Acquire(Layer(0), UnitForm::kStored);
  engine_->RunUntilIdle(engine_->time.now_us() + 2);
  engine_->Release(held);
  ASSERT_TRUE(engine_->RunUntilIdle());
  const uint64_t verified_bytes = stats().verified_bytes;
  EXPECT_GT(verified_bytes, 0u);
  Use(Layer(0), UnitForm::kDecoded);
  EXPECT_EQ(stats().verified_bytes, verified_bytes);
}

// The device's fault is no fault of the bytes, and no error while they can be had otherwise.
TEST_F(EngineKeptTest, WhatCannotBeCheckedIsReadAgain) {
  Restart();
  Fill();
  Restart();
  engine_->device().SetFailure(1);
  const auto held = Acquire(Layer(0));
  while (stats().bad_kept_units == 0) ASSERT_TRUE(engine_->time.RunNext());
  engine_->device().SetFailure(0);
  ASSERT_TRUE(engine_->RunUntilIdle());
  ExpectReadyAndRight(*held);
  engine_->Release(held);
}

TEST_F(EngineKeptTest, GivesWayToWhatIsWanted) {
  Restart();
  for (int layer = 0; layer < 8; ++layer) Use(Layer(layer), UnitForm::kStored);
  const uint64_t units = stats().host.units;
  Restart();
  EXPECT_EQ(stats().kept_units, units);
  Use(Unit("head"), UnitForm::kStored);
  EXPECT_GT(stats().host.evictions, 0u);
  for (int layer = 0; layer < 8; ++layer) Use(Layer(layer), UnitForm::kStored);
  EXPECT_EQ(stats().bad_kept_units, 0u);
}

TEST_F(EngineKeptTest, DoesNotGiveWayWhileItIsChecked) {
  Restart();
  for (int layer = 0; layer < 8; ++layer) Use(Layer(layer), UnitForm::kStored);
  SimulationOptions options;
  options.device.min_delay_us = options.device.max_delay_us = 100'000;
  Restart(options);
  // Used last, it would be the first to go.
  const auto checked = Acquire(Layer(0), UnitForm::kStored);
  while (stats().jobs_in_flight == 0) ASSERT_TRUE(engine_->time.RunNext());
  const auto other = Acquire(Unit("head"), UnitForm::kStored);
  ASSERT_TRUE(engine_->RunUntilIdle());
  for (const auto& held : {checked, other}) {
    ExpectReadyAndRight(*held);
    engine_->Release(held);
  }
  EXPECT_EQ(stats().read_bytes, other->unit().stored_size_bytes);
  EXPECT_EQ(stats().bad_kept_units, 0u);
}

TEST_F(EngineKeptTest, ARetiredModelsUnitsGo) {
  Restart();
  Fill();
  Restart();
  const auto held = Acquire(Layer(1));
  engine_->RetireModel(0);
  EXPECT_EQ(stats().host.units, 1u) << "somebody waits for it";
  ASSERT_TRUE(engine_->RunUntilIdle());
  ExpectReadyAndRight(*held);
  engine_->Release(held);
  ASSERT_TRUE(engine_->RunUntilIdle());
  EXPECT_EQ(stats().host.units, 0u);
  EXPECT_EQ(stats().read_bytes, 0u);
  Restart();
  EXPECT_EQ(stats().kept_units, 0u);
}

TEST_F(EngineKeptTest, OtherWeightsAreNotUsed) {
  Restart();
  Fill();
  engine_.reset();
  kept_ = *KeptMemory::Open(store_, kHostBytes);
  EXPECT_EQ(kept_->units().size(), 3u);
  const ExpectedModel other({.layers = 8, .projection_rows = 2499});
  SimulationOptions options;
  options.host_bytes = kHostBytes;
  options.kept = kept_.get();
  SimulatedEngine engine(other, options);
  EXPECT_EQ(engine.core->stats().kept_units, 0u);
  EXPECT_LT(engine.core->stats().host.free_bytes, kHostBytes);
  // All of the memory can be had.
  std::vector<std::shared_ptr<HeldUnit>> holds;
  for (int layer = 0; layer < 8; ++layer) {
    holds.push_back(
        engine.Acquire({.unit_index = *other.model->FindUnit("layers." + std::to_string(layer)),
                        .form = UnitForm::kStored}));
  }
  ASSERT_TRUE(engine.RunUntilIdle());
  for (const auto& held : holds) {
    ASSERT_TRUE(held->ready());
    size_t checked = 0;
    engine.CheckReadyParts(*held, &checked);
    engine.Release(held);
  }
  ASSERT_TRUE(engine.RunUntilIdle());
  EXPECT_EQ(engine.core->stats().host.units, 8u);
}

TEST_F(EngineKeptTest, TheLedgerKnowsWhatTheDiskIsWriting) {
  Restart();
  const auto marked = [&] {
    uint64_t count = 0;
    for (uint64_t frame = 0; frame < kHostBytes / kFrameBytes; ++frame) {
      count += kept_->ledger().IsMarked(frame) ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(marked(), 0u);
  const auto held = Acquire(Layer(0));
  while (stats().reads_in_flight == 0) ASSERT_TRUE(engine_->time.RunNext());
  EXPECT_EQ(marked(), held->unit().stored_size_bytes / kFrameBytes + 1);
  EXPECT_THAT(kept_->ledger().Read(), IsEmpty());
  ASSERT_TRUE(engine_->RunUntilIdle());
  EXPECT_EQ(marked(), 0u);
  EXPECT_EQ(kept_->ledger().Read().size(), 1u);
  engine_->Release(held);
}

// What a killed process leaves: the memory and the ledger as they are at the moment.
void CopyHeld(const HeldDescriptors& from, HeldDescriptors* to) {
  for (const std::string name : {"ecf8-arena", "ecf8-ledger"}) {
    struct stat stat {};
    ASSERT_EQ(fstat(from.fd(name), &stat), 0);
    std::string bytes(static_cast<size_t>(stat.st_size), '\0');
    ASSERT_EQ(pread(from.fd(name), bytes.data(), bytes.size(), 0), stat.st_size);
    const Descriptor copy(memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(pwrite(copy.get(), bytes.data(), bytes.size(), 0), stat.st_size);
    ASSERT_EQ(fcntl(copy.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK), 0);
    ASSERT_THAT(to->Put(name, copy), IsOk());
  }
}

class KilledEngine {
 public:
  KilledEngine(const ExpectedModel& expected, uint64_t seed) : expected_(expected), random_(seed) {}

  void Go() {
    kept_ = *KeptMemory::Open(store_, kHostBytes);
    Start();
    for (uint64_t i = Draw(1, 20); i > 0; --i) AskAt(Draw(0, 20'000));
    engine_->time.At(Draw(0, 30'000), [this] { CopyHeld(store_, &left_); });
    ASSERT_TRUE(engine_->RunUntilIdle());
    ExpectAllRight();
    engine_.reset();
    kept_ = *KeptMemory::Open(left_, kHostBytes);
    for (uint64_t i = Draw(0, 3); i > 0; --i) FlipOne();
    Start();
    kept_units = engine_->core->stats().kept_units;
    for (uint64_t i = Draw(1, 30); i > 0; --i) AskAt(Draw(0, 20'000));
    ASSERT_TRUE(engine_->RunUntilIdle());
    ExpectAllRight();
    EXPECT_EQ(engine_->core->stats().failed_units, 0u);
    bad_units = engine_->core->stats().bad_kept_units;
  }

  uint64_t kept_units = 0;
  uint64_t bad_units = 0;

 private:
  uint64_t Draw(uint64_t from, uint64_t to) {
    return std::uniform_int_distribution<uint64_t>(from, to)(random_);
  }

  void Start() {
    SimulationOptions options;
    options.host_bytes = kHostBytes;
    options.slot_bytes = 12 << 20;
    options.device_bytes = Draw(0, 1) * (6 << 20);
    options.kept = kept_.get();
    options.reader.seed = random_();
    options.device.seed = random_();
    options.device.host_job_bytes = Draw(1, 4) << 20;
    engine_.emplace(expected_, options);
  }

  void AskAt(uint64_t delay_us) {
    engine_->time.At(delay_us, [this] {
      auto held = engine_->Acquire(
          {.unit_index = static_cast<uint32_t>(Draw(0, expected_.model->unit_count() - 1)),
           .form = Draw(0, 2) == 0 ? UnitForm::kStored : UnitForm::kDecoded,
           .priority = static_cast<Priority>(Draw(0, 2))});
      ++asked_;
      LookAgain(held);
    });
  }
  void LookAgain(const std::shared_ptr<HeldUnit>& held) {
    engine_->time.At(Draw(100, 3000), [this, held] {
      EXPECT_THAT(held->status(), IsOk());
      const bool declined = held->declined();
      if (held->status().ok() && !declined && !held->ready()) return LookAgain(held);
      size_t checked = 0;
      engine_->CheckReadyParts(*held, &checked);
      right_ += declined || checked == held->parts().size() ? 1 : 0;
      engine_->Release(held);
    });
  }
  void ExpectAllRight() { EXPECT_EQ(std::exchange(right_, 0), std::exchange(asked_, 0)); }

  void FlipOne() {
    const auto at = static_cast<off_t>(Draw(0, kHostBytes - 1));
    uint8_t byte = 0;
    ASSERT_EQ(pread(kept_->fd(), &byte, 1, at), 1);
    byte ^= static_cast<uint8_t>(1 << Draw(0, 7));
    ASSERT_EQ(pwrite(kept_->fd(), &byte, 1, at), 1);
  }

  const ExpectedModel& expected_;
  std::mt19937_64 random_;
  HeldDescriptors store_, left_;
  std::unique_ptr<KeptMemory> kept_;
  uint64_t asked_ = 0;
  uint64_t right_ = 0;
  std::optional<SimulatedEngine> engine_;
};

TEST_F(EngineKeptTest, KilledAtAnyMomentItLeavesWhatCanBeUsed) {
  const char* const text = std::getenv("ECF8_SIMULATION_RUNS");
  const uint64_t runs = text != nullptr ? std::strtoull(text, nullptr, 10) : 60;
  uint64_t kept = 0, bad = 0;
  for (uint64_t seed = 1; seed <= runs; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    KilledEngine run(*expected_, seed);
    run.Go();
    kept += run.kept_units;
    bad += run.bad_units;
    if (HasFailure()) return;
  }
  EXPECT_GT(kept, runs);
  EXPECT_GT(bad, 0u);
  std::printf("%llu units were kept, %llu of them damaged and read again\n",
              static_cast<unsigned long long>(kept), static_cast<unsigned long long>(bad));
}

// On real threads, with a model that is added only after the start.
TEST_F(EngineKeptTest, ARealEngineFindsWhatTheOneBeforeLeft) {
  EngineOptions options;
  options.host_budget_bytes = 64 << 20;
  options.slot_budget_bytes = 64 << 20;
  options.decode_threads = 2;
  options.descriptors = &store_;
  const auto use_all = [&](Engine& engine, uint32_t number) {
    for (uint32_t unit = 0; unit < expected_->model->unit_count(); ++unit) {
      const auto lease = engine.Acquire({.model = number, .unit_index = unit});
      ASSERT_THAT(lease, IsOk());
      HeldUnit& held = **lease;
      while (!held.ready() && held.status().ok()) std::this_thread::yield();
      ASSERT_THAT(held.status(), IsOk());
      for (size_t i = 0; i < held.parts().size(); ++i) {
        const std::string_view want = expected_->Part(unit, UnitForm::kDecoded, held.parts()[i]);
        std::string got(want.size(), '\0');
        ASSERT_TRUE(held.CopyPart(i, reinterpret_cast<uint8_t*>(got.data())));
        EXPECT_EQ(got == want, true) << held.unit().id;
      }
    }
  };
  for (int start = 0; start < 3; ++start) {
    const auto engine = Engine::Start(options, {});
    ASSERT_THAT(engine, IsOk());
    EXPECT_TRUE((*engine)->kept_info().is_kept);
    EXPECT_EQ((*engine)->kept_info().units, start == 0 ? 0u : expected_->model->unit_count());
    const auto model = (*engine)->AddModel(expected_->model);
    ASSERT_THAT(model, IsOk());
    (*engine)->WaitUntilTouched();  // which changes nothing
    use_all(**engine, (*model)->number());
    const EngineStats stats = (*engine)->stats();
    EXPECT_EQ(stats.read_bytes > 0, start == 0);
    EXPECT_EQ(stats.bad_kept_units, 0u);
  }
  options.host_budget_bytes = 48 << 20;
  {
    const auto engine = Engine::Start(options, {expected_->model});
    EXPECT_THAT((*engine)->kept_info().discarded, HasSubstr("another size"));
  }
  store_ = {};
  store_.put_status = absl::InternalError("no store");
  const auto engine = Engine::Start(options, {expected_->model});
  ASSERT_THAT(engine, IsOk());
  EXPECT_THAT((*engine)->kept_info().problem, HasSubstr("no store"));
  use_all(**engine, 0);
}

}  // namespace
}  // namespace ecf8
