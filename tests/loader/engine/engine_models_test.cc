// Models that come and go in an engine: in virtual time, and on real threads.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "loader/engine/access_log.h"
#include "loader/engine/engine.h"
#include "loader/model/error_info.h"
#include "tests/loader/engine/simulated_engine.h"
#include "tests/support/open_descriptors.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::ExpectedModel;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::OpenDescriptors;
using ::ecf8::testing::SimulatedEngine;
using ::ecf8::testing::SimulationOptions;
using ::ecf8::testing::StatusIs;

class EngineModelsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    expected_ = new ExpectedModel({.layers = 3, .projection_rows = 1500});
  }
  static void TearDownTestSuite() { delete expected_; }

  EngineModelsTest() {
    SimulationOptions options;
    options.device_bytes = 4 << 20;
    engine_.emplace(*expected_, options);
  }

  static uint32_t Layer(int layer) {
    return *expected_->model->FindUnit("layers." + std::to_string(layer));
  }
  std::shared_ptr<HeldUnit> Acquire(uint32_t model, uint32_t unit,
                                    UnitForm form = UnitForm::kDecoded) {
    return engine_->Acquire({.model = model, .unit_index = unit, .form = form});
  }
  void ExpectReadyAndRight(HeldUnit& held) const {
    ASSERT_TRUE(held.ready()) << held.status();
    size_t checked = 0;
    engine_->CheckReadyParts(held, &checked);
    EXPECT_EQ(checked, held.parts().size());
  }
  void ExpectNothingInMemory() const {
    const EngineStats stats = engine_->core->stats();
    for (const TierStats& tier : {stats.host, stats.device, stats.slots}) {
      EXPECT_EQ(tier.units, 0u);
      EXPECT_EQ(tier.free_bytes, tier.capacity_bytes);
    }
  }

  static ExpectedModel* expected_;
  std::optional<SimulatedEngine> engine_;
};

ExpectedModel* EngineModelsTest::expected_ = nullptr;

TEST_F(EngineModelsTest, ARetiredModelLeavesTheMemoryThatNobodyUses) {
  const auto held = Acquire(0, Layer(0));
  ASSERT_TRUE(engine_->RunUntilIdle());
  engine_->Release(held);
  ASSERT_TRUE(engine_->RunUntilIdle());
  const EngineStats before = engine_->core->stats();
  EXPECT_EQ(before.host.units, 1u);
  EXPECT_EQ(before.device.units, 1u);
  EXPECT_EQ(before.slots.units, 1u);
  engine_->RetireModel(0);
  ExpectNothingInMemory();
  EXPECT_EQ(engine_->core->stats().host.evictions, 0u) << "nobody else wanted the memory";
}

TEST_F(EngineModelsTest, WhatIsHeldStaysUntilItIsGivenBack) {
  const auto ready = Acquire(0, Layer(0));
  ASSERT_TRUE(engine_->RunUntilIdle());
  const auto coming = Acquire(0, Layer(1));
  engine_->RetireModel(0);
  ASSERT_TRUE(engine_->RunUntilIdle());
  ExpectReadyAndRight(*ready);
  ExpectReadyAndRight(*coming);
  const auto late = Acquire(0, Layer(1), UnitForm::kStored);
  engine_->Release(ready);
  engine_->ForgetModel(0);
  ASSERT_TRUE(engine_->RunUntilIdle());
  ExpectReadyAndRight(*late);
  EXPECT_EQ(engine_->core->stats().slots.units, 1u);
  engine_->Release(coming);
  engine_->Release(late);
  ASSERT_TRUE(engine_->RunUntilIdle());
  ExpectNothingInMemory();
  EXPECT_EQ(engine_->reader().info().buffered_files, 0u) << "its file is still open";
  EXPECT_THAT(engine_->core->MakeHold({.model = 0}),
              StatusIs(absl::StatusCode::kNotFound, ::testing::_));
}

TEST_F(EngineModelsTest, WhatIsAskedForLaterIsNotKeptEither) {
  engine_->RetireModel(0);
  for (const UnitForm form : {UnitForm::kDecoded, UnitForm::kStored}) {
    const auto held = Acquire(0, Layer(0), form);
    ASSERT_TRUE(engine_->RunUntilIdle());
    ExpectReadyAndRight(*held);
    engine_->Release(held);
    ASSERT_TRUE(engine_->RunUntilIdle());
    ExpectNothingInMemory();
  }
}

TEST_F(EngineModelsTest, WhatWaitsForASlotIsNotReadAgain) {
  SimulationOptions options;
  options.slot_bytes = 2 << 20;  // of one layer
  engine_.reset();
  engine_.emplace(*expected_, options);
  const auto stored = Acquire(0, Layer(1), UnitForm::kStored);
  const auto first = Acquire(0, Layer(0));
  ASSERT_TRUE(engine_->RunUntilIdle());
  const auto waiting = Acquire(0, Layer(1));
  engine_->RunUntilIdle(engine_->time.now_us() + 1'000'000);
  ASSERT_FALSE(waiting->begun());
  engine_->Release(stored);
  engine_->RetireModel(0);
  const uint64_t read_bytes = engine_->core->stats().read_bytes;
  engine_->Release(first);
  ASSERT_TRUE(engine_->RunUntilIdle());
  ExpectReadyAndRight(*waiting);
  EXPECT_EQ(engine_->core->stats().read_bytes, read_bytes);
  engine_->Release(waiting);
  ASSERT_TRUE(engine_->RunUntilIdle());
  ExpectNothingInMemory();
}

TEST_F(EngineModelsTest, ANumberIsNeverAnotherModels) {
  engine_->ForgetModel(0);
  EXPECT_EQ(engine_->AddModel(), 1u);
  EXPECT_EQ(engine_->AddModel(), 2u);
  engine_->ForgetModel(1);
  EXPECT_EQ(engine_->AddModel(), 3u);
  const auto held = Acquire(3, Layer(0));
  ASSERT_TRUE(engine_->RunUntilIdle());
  ExpectReadyAndRight(*held);
  engine_->Release(held);
}

// A hold was made of a model that is gone when it is asked for.
TEST_F(EngineModelsTest, WhoComesTooLateIsTold) {
  const auto held = engine_->core->MakeHold({.model = 0, .unit_index = Layer(0)});
  ASSERT_THAT(held, IsOk());
  engine_->ForgetModel(0);
  engine_->core->Acquire(*held);
  ASSERT_TRUE(engine_->RunUntilIdle());
  EXPECT_THAT((*held)->status(), StatusIs(absl::StatusCode::kNotFound, ::testing::_));
  EXPECT_EQ(GetErrorInfo((*held)->status())->reason, ErrorReason::kModelNotFound);
  engine_->core->Raise(*held, Priority::kDemand);
  engine_->Release(*held);
  ASSERT_TRUE(engine_->RunUntilIdle());
}

TEST_F(EngineModelsTest, WhatNobodyWaitsForAnyMoreIsNotKept) {
  const auto held = Acquire(0, Layer(0));
  engine_->RunUntilIdle(engine_->time.now_us() + 100);
  engine_->RetireModel(0);
  engine_->Release(held);  // its reads are on their way
  ASSERT_TRUE(engine_->RunUntilIdle());
  ExpectNothingInMemory();
}

// On real threads; ThreadSanitizer looks at these.

EngineOptions Options() {
  EngineOptions options;
  options.host_budget_bytes = 14 << 20;
  options.slot_budget_bytes = 8 << 20;
  options.decode_threads = 2;
  options.touch_threads = 0;
  return options;
}

// Every unit, compared, as long as the model is there. False where it is not.
bool FetchAll(Engine& engine, const ExpectedModel& expected, uint32_t number) {
  for (uint32_t unit = 0; unit < expected.model->unit_count(); ++unit) {
    auto lease = engine.Acquire({.model = number, .unit_index = unit});
    if (!lease.ok()) {
      EXPECT_TRUE(absl::IsNotFound(lease.status())) << lease.status();
      return false;
    }
    HeldUnit& held = **lease;
    while (!held.ready() && held.status().ok()) std::this_thread::yield();
    if (!held.status().ok()) {
      EXPECT_TRUE(absl::IsNotFound(held.status())) << held.status();
      return false;
    }
    for (size_t i = 0; i < held.parts().size(); ++i) {
      const std::string_view want = expected.Part(unit, UnitForm::kDecoded, held.parts()[i]);
      std::string got(want.size(), '\0');
      EXPECT_TRUE(held.CopyPart(i, reinterpret_cast<uint8_t*>(got.data())));
      EXPECT_EQ(got == want, true) << held.unit().id;
    }
  }
  return true;
}

TEST(EngineModels, ServesWhatWasDeletedSinceItWasOpened) {
  auto expected = std::make_unique<ExpectedModel>(
      testing::SmallModelOptions{.layers = 2, .projection_rows = 1500});
  const auto engine = Engine::Start(Options(), {});
  ASSERT_THAT(engine, IsOk());
  std::filesystem::remove_all(expected->model->directory());
  const auto model = (*engine)->AddModel(expected->model);
  ASSERT_THAT(model, IsOk());
  EXPECT_TRUE(FetchAll(**engine, *expected, (*model)->number()));
}

TEST(EngineModels, AModelIsForgottenWithTheLastWhoUsesIt) {
  const ExpectedModel expected({.layers = 2, .projection_rows = 1500});
  const auto engine = Engine::Start(Options(), {});
  ASSERT_THAT(engine, IsOk());
  const size_t descriptors = OpenDescriptors();
  auto model = *(*engine)->AddModel(expected.model);
  const uint32_t number = model->number();
  EXPECT_TRUE(FetchAll(**engine, expected, number));
  model->Retire();
  EXPECT_TRUE(model->retired());
  EXPECT_TRUE(FetchAll(**engine, expected, number)) << "who has it goes on";
  model.reset();
  while ((*engine)->Acquire({.model = number}).ok()) std::this_thread::yield();
  const auto is_free = [&] {
    const EngineStats stats = (*engine)->stats();
    return stats.host.free_bytes == stats.host.capacity_bytes &&
           stats.slots.free_bytes == stats.slots.capacity_bytes;
  };
  while (!is_free()) std::this_thread::yield();
  while (OpenDescriptors() > descriptors) std::this_thread::yield();
}

TEST(EngineModels, ComeAndGoWhileOthersFetchAndWatch) {
  const ExpectedModel expected({.layers = 2, .projection_rows = 1100});
  AccessLog accesses;
  EngineOptions options = Options();
  options.observers.push_back(&accesses);
  const auto engine = Engine::Start(options, {expected.model});
  ASSERT_THAT(engine, IsOk());
  std::atomic<bool> done = false;
  std::atomic<uint32_t> latest = 0;
  std::vector<std::thread> others;
  for (int i = 0; i < 2; ++i) {
    others.emplace_back([&, i] {
      while (!done) FetchAll(**engine, expected, i == 0 ? 0 : latest.load());
    });
  }
  others.emplace_back([&] {
    AccessLog::Reader reader(accesses);
    while (!done) {
      reader.Read(64);
      (*engine)->stats();
      (*engine)->ExportHeat(0);
    }
  });
  for (int i = 0; i < 40; ++i) {
    auto model = (*engine)->AddModel(expected.model);
    ASSERT_THAT(model, IsOk());
    latest = (*model)->number();
    EXPECT_TRUE(FetchAll(**engine, expected, (*model)->number()));
    (*model)->Retire();
  }
  done = true;
  for (std::thread& other : others) other.join();
  EXPECT_TRUE(FetchAll(**engine, expected, 0));
}

}  // namespace
}  // namespace ecf8
