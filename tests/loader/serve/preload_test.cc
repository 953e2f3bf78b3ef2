// Preloads on real threads: what they read, what they leave, and what becomes of their pins.

#include "loader/serve/preload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "loader/base/worker_pool.h"
#include "loader/memory/slot_space.h"
#include "loader/model/error_info.h"
#include "loader/serve/preload_task.h"
#include "tests/support/settled_engine.h"
#include "tests/support/shard_faults.h"
#include "tests/support/small_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::Within20s;
using ::testing::HasSubstr;

// A task, and what it has told.
class PreloadRun {
 public:
  PreloadRun(Engine& engine, PreloadOrder order, WorkerPool& pool)
      : task_(std::make_shared<PreloadTask>(engine, std::move(order), pool,
                                            [told = told_](const auto& progress, int64_t resumes) {
                                              MutexLock lock(told->mutex);
                                              told->progress = progress;
                                              told->resumes_at_ns = resumes;
                                              ++told->count;
                                            })) {
    task_->Start();
  }
  ~PreloadRun() { task_->Stop(); }

  absl::StatusOr<PreloadProgress> latest() const {
    MutexLock lock(told_->mutex);
    return told_->progress;
  }
  int told() const {
    MutexLock lock(told_->mutex);
    return told_->count;
  }
  int64_t resumes_at_ns() const {
    MutexLock lock(told_->mutex);
    return told_->resumes_at_ns;
  }
  void Wake() { task_->Wake(); }
  // How it ends.
  absl::StatusOr<PreloadProgress> Wait() const {
    EXPECT_TRUE(Within20s([&] { return !latest().ok() || latest()->is_done; }));
    return latest();
  }
  void Stop() { task_->Stop(); }

 private:
  struct Told {
    Mutex mutex;
    absl::StatusOr<PreloadProgress> progress ABSL_GUARDED_BY(mutex) = PreloadProgress{};
    int64_t resumes_at_ns ABSL_GUARDED_BY(mutex) = 0;
    int count ABSL_GUARDED_BY(mutex) = 0;
  };

  const std::shared_ptr<Told> told_ = std::make_shared<Told>();
  const std::shared_ptr<PreloadTask> task_;
};

class PreloadTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = std::make_unique<testing::TempDir>();
    testing::MakeCompressedModel(directory_->path(), "small",
                                 {.layers = 12, .projection_rows = 1500});
    model_ = testing::OpenModel(*directory_ / "small");
  }
  static void TearDownTestSuite() {
    model_.reset();
    directory_.reset();
  }

  void Start(uint64_t host_bytes = 64 << 20, uint64_t slot_bytes = 64 << 20,
             uint64_t device_bytes = 0) {
    EngineOptions options;
    options.host_budget_bytes = host_bytes;
    options.slot_budget_bytes = slot_bytes;
    options.device_budget_bytes = device_bytes;
    options.decode_threads = 2;
    options.touch_threads = 0;
    options.reader.backend = BlockReaderBackend::kThreads;
    options.reader.calls = &faults_;
    auto engine = Engine::Start(options, {model_});
    ASSERT_THAT(engine, IsOk());
    engine_ = *std::move(engine);
    pool_.emplace(2, 16);
  }

  std::shared_ptr<const EngineModel> served() const { return engine_->models()[0]; }

  static UnitSet All(Tier tier) {
    UnitSet set{.tier = tier};
    set.units.resize(model_->unit_count());
    std::iota(set.units.begin(), set.units.end(), 0u);
    return set;
  }
  std::unique_ptr<PreloadRun> Begin(Tier tier, bool pin = false) {
    return std::make_unique<PreloadRun>(
        *engine_, PreloadOrder{.set = All(tier), .model = served(), .pin = pin}, *pool_);
  }
  absl::StatusOr<PreloadProgress> Preload(Tier tier, bool pin = false) {
    return Begin(tier, pin)->Wait();
  }

  static uint64_t StoredBytes() {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < model_->unit_count(); ++i) bytes += model_->unit(i).stored_size_bytes;
    return bytes;
  }
  bool NothingIsHeld() const {
    return Within20s([&] { return engine_->stats().requests == 0; });
  }
  uint64_t PinnedUnits() const {
    uint64_t units = 0;
    for (const PinnedModel& pinned : engine_->pins()) units += pinned.pinned.units;
    return units;
  }

  static inline std::unique_ptr<testing::TempDir> directory_;
  static inline std::shared_ptr<const CompressedModel> model_;
  testing::ShardFaults faults_;
  std::unique_ptr<Engine> engine_;
  std::optional<WorkerPool> pool_;  // goes first
};

TEST_F(PreloadTest, BringsAllAndTheSecondTimeReadsNothing) {
  for (const Tier tier : {Tier::kHost, Tier::kDevice, Tier::kSlots}) {
    Start(64 << 20, 64 << 20, tier == Tier::kDevice ? 64 << 20 : 0);
    const auto first = Preload(tier);
    ASSERT_THAT(first, IsOk());
    EXPECT_EQ(first->units, model_->unit_count());
    EXPECT_EQ(first->units_done, first->units);
    EXPECT_EQ(first->units_not_kept, 0u);
    EXPECT_EQ(first->bytes_loaded, first->bytes);
    EXPECT_EQ(first->bytes_done, first->bytes);
    EXPECT_EQ(engine_->stats().read_bytes, StoredBytes());
    const uint64_t decoded_bytes = engine_->stats().decoded_bytes;
    const auto second = Preload(tier);
    ASSERT_THAT(second, IsOk());
    EXPECT_EQ(second->units_done, second->units);
    EXPECT_EQ(second->bytes_loaded, 0u);
    EXPECT_EQ(engine_->stats().read_bytes, StoredBytes());
    EXPECT_EQ(engine_->stats().decoded_bytes, decoded_bytes);
    EXPECT_TRUE(NothingIsHeld());
    EXPECT_EQ(PinnedUnits(), 0u);
  }
}

TEST_F(PreloadTest, TwoAtOnceShareTheirReads) {
  Start();
  faults_.Hold();
  const auto first = Begin(Tier::kHost);
  const auto second = Begin(Tier::kHost);
  ASSERT_TRUE(
      Within20s([&] { return engine_->stats().requests == 2 * ::ecf8::Preload::kMaxUnitsAtOnce; }));
  faults_.LetGo();
  EXPECT_THAT(first->Wait(), IsOk());
  EXPECT_THAT(second->Wait(), IsOk());
  EXPECT_EQ(engine_->stats().read_bytes, StoredBytes());
  EXPECT_EQ(engine_->reader_info().bytes_read, StoredBytes());
}

TEST_F(PreloadTest, OneThatIsStoppedLeavesNothing) {
  for (const bool pin : {false, true}) {
    Start();
    faults_.Hold();
    const auto run = Begin(Tier::kSlots, pin);
    ASSERT_TRUE(
        Within20s([&] { return engine_->stats().requests == ::ecf8::Preload::kMaxUnitsAtOnce; }));
    EXPECT_TRUE(Within20s([&] { return PinnedUnits() == (pin ? model_->unit_count() : 0); }));
    run->Stop();
    EXPECT_TRUE(NothingIsHeld());
    EXPECT_TRUE(Within20s([&] { return PinnedUnits() == 0; }));
    EXPECT_EQ(engine_->slot_grants().free_bytes(), engine_->stats().slots.capacity_bytes);
    faults_.LetGo();
    const int told = run->told();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_LE(run->told(), told + 1) << "and tells nothing more";
    EXPECT_LT(engine_->stats().read_bytes, StoredBytes());
  }
}

TEST_F(PreloadTest, KeepsToItsRate) {
  Start();
  PreloadOrder order{.set = All(Tier::kSlots), .model = served(), .bytes_per_second = 1};
  PreloadRun slow(*engine_, order, *pool_);
  ASSERT_TRUE(Within20s([&] { return slow.resumes_at_ns() != 0; }));  // days from now
  EXPECT_EQ(slow.latest()->units_done, 1u);
  EXPECT_TRUE(NothingIsHeld());
  const int told = slow.told();
  slow.Wake();  // which changes nothing
  ASSERT_TRUE(Within20s([&] { return slow.told() > told; }));
  EXPECT_EQ(slow.latest()->units_done, 1u);
  EXPECT_TRUE(NothingIsHeld());
  slow.Stop();
  // One that is woken when its time has come gets to its end.
  order.bytes_per_second = 20 * StoredBytes();
  PreloadRun fast(*engine_, order, *pool_);
  EXPECT_TRUE(Within20s([&] {
    fast.Wake();
    return !fast.latest().ok() || fast.latest()->is_done;
  }));
  ASSERT_THAT(fast.latest(), IsOk());
  EXPECT_EQ(fast.latest()->units_done, model_->unit_count());
}

TEST_F(PreloadTest, StopsAtAnyMoment) {
  Start();
  for (int i = 0; i < 60; ++i) {
    const auto run = Begin(i % 2 == 0 ? Tier::kSlots : Tier::kHost, i % 3 == 0);
    std::this_thread::sleep_for(std::chrono::microseconds(i * 37));
    run->Stop();
    if (i % 10 == 0) {
      ASSERT_THAT(engine_->Ask([](EngineCore& core) {
        core.Evict(All(Tier::kSlots));
        core.Evict(All(Tier::kHost));
      }),
                  IsOk());
    }
  }
  EXPECT_TRUE(NothingIsHeld());
  // Those that had ended before they were stopped have pinned.
  ASSERT_THAT(engine_->Ask([](EngineCore& core) {
    core.Unpin(All(Tier::kSlots), PinReason::kKept);
    core.Unpin(All(Tier::kHost), PinReason::kKept);
  }),
              IsOk());
  EXPECT_TRUE(Within20s([&] { return PinnedUnits() == 0; }));
  EXPECT_EQ(engine_->slot_grants().free_bytes(), engine_->stats().slots.capacity_bytes);
}

TEST_F(PreloadTest, PinsStayWhenAllIsThere) {
  Start();
  ASSERT_THAT(Preload(Tier::kSlots, /*pin=*/true), IsOk());
  EXPECT_TRUE(Within20s([&] { return PinnedUnits() == model_->unit_count(); }));
  // Two that pin the same: whoever leaves first takes nothing from the other.
  const auto leaves = Begin(Tier::kSlots, true);
  EXPECT_THAT(leaves->Wait(), IsOk());
  leaves->Stop();
  EXPECT_EQ(PinnedUnits(), model_->unit_count());
}

TEST_F(PreloadTest, WhatCanNeverFitIsRefusedBeforeAnythingIsRead) {
  Start(64 << 20, 16 << 20);
  for (const bool pin : {false, true}) {
    const auto refused = Preload(Tier::kSlots, pin);
    ASSERT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("slot budget")));
    EXPECT_GT(GetErrorInfo(refused.status())->shortfall_bytes, 0u);
  }
  EXPECT_EQ(engine_->stats().read_bytes, 0u);
  EXPECT_EQ(PinnedUnits(), 0u);
}

TEST_F(PreloadTest, WhatClientsUseStaysAndWhatFindsNoPlaceIsToldAsNotKept) {
  Start(64 << 20, 10 * kSlotPageBytes);  // a unit takes a page
  for (uint32_t i = 0; i < 6; ++i) {
    auto lease = engine_->Acquire({.unit_index = i});
    ASSERT_THAT(lease, IsOk());
    ASSERT_TRUE(Within20s([&] { return (*lease)->ready(); }));
  }
  UnitSet set{.tier = Tier::kSlots};
  for (uint32_t i = 4; i < 14; ++i) set.units.push_back(i);
  const auto progress = PreloadRun(*engine_, {.set = set, .model = served()}, *pool_).Wait();
  ASSERT_THAT(progress, IsOk());
  EXPECT_EQ(progress->units, 10u);
  EXPECT_EQ(progress->units_done, 10u);
  EXPECT_EQ(progress->units_not_kept, 4u);
  EXPECT_EQ(progress->bytes_done, progress->bytes);
  EXPECT_GT(progress->bytes_not_kept, 0u);
  EXPECT_LT(progress->bytes_loaded + progress->bytes_not_kept, progress->bytes);
  EXPECT_EQ(engine_->stats().slots.evictions, 0u);
  // Pinned ones must have it.
  const auto pinned =
      PreloadRun(*engine_,
                 {.set = {.tier = Tier::kSlots, .units = {10, 11}}, .model = served(), .pin = true},
                 *pool_)
          .Wait();
  ASSERT_THAT(pinned, IsOk());
  EXPECT_EQ(pinned->units_not_kept, 0u);
}

TEST_F(PreloadTest, ABadUnitEndsItAndTheNextTryBeginsWhereItWas) {
  Start();
  faults_.Fail("model.safetensors");
  const auto failed = Preload(Tier::kHost, /*pin=*/true);
  ASSERT_THAT(failed, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("model.safetensors")));
  EXPECT_TRUE(NothingIsHeld());
  EXPECT_TRUE(Within20s([&] { return PinnedUnits() == 0; }));
  EXPECT_TRUE(testing::WaitUntilSettled(*engine_));
  faults_.Mend();
  EXPECT_THAT(Preload(Tier::kHost), IsOk());
}

TEST_F(PreloadTest, AQueueThatIsFullEndsIt) {
  Start();
  pool_.emplace(1, 0);
  const auto refused = Preload(Tier::kHost);
  ASSERT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("queue is full")));
  EXPECT_EQ(GetErrorInfo(refused.status())->reason, ErrorReason::kOverloaded);
  EXPECT_TRUE(NothingIsHeld());
}

TEST_F(PreloadTest, AnEngineThatIsAskedTooMuchSaysSo) {
  Start();
  // The loop is kept busy, so that questions pile up.
  std::atomic<bool> busy = false;
  std::atomic<bool> go = false;
  std::atomic<size_t> answered = 0;
  ASSERT_THAT(engine_->Ask([&](EngineCore&) {
    busy = true;
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }),
              IsOk());
  ASSERT_TRUE(Within20s([&] { return busy.load(); }));
  for (size_t i = 0; i < Engine::kMaxQuestions; ++i) {
    EXPECT_THAT(engine_->Ask([&](EngineCore&) { ++answered; }), IsOk());
  }
  EXPECT_THAT(engine_->Ask([&](EngineCore&) { ++answered; }),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("try again")));
  go = true;
  EXPECT_TRUE(Within20s([&] { return answered == Engine::kMaxQuestions; }));
}

}  // namespace
}  // namespace ecf8
