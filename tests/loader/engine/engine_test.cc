// The engine on real threads, a real disk and the host device.

#include "loader/engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "loader/model/error_info.h"
#include "tests/loader/engine/simulated_engine.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::ExpectedModel;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;

class EngineTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    expected_ = new ExpectedModel({.layers = 6, .projection_rows = 1500});
  }
  static void TearDownTestSuite() { delete expected_; }

  static EngineOptions Options() {
    EngineOptions options;
    options.host_budget_bytes = 14 << 20;
    options.slot_budget_bytes = 8 << 20;
    options.decode_threads = 2;
    return options;
  }

  // Asks, waits, compares every part, gives back. False where the memory was taken back.
  static bool FetchAndCheck(Engine& engine, uint32_t unit_index, UnitForm form, bool revocable) {
    struct News {
      Mutex mutex;
      CondVar changed;
      uint64_t count ABSL_GUARDED_BY(mutex) = 0;
    };
    const auto news = std::make_shared<News>();
    auto lease = engine.Acquire(
        {.unit_index = unit_index, .form = form, .revocable = revocable, .on_progress = [news] {
           MutexLock lock(news->mutex);
           ++news->count;
           news->changed.NotifyAll();
         }});
    EXPECT_THAT(lease, IsOk());
    if (!lease.ok()) return false;
    HeldUnit& held = **lease;
    for (uint64_t seen = 0; !held.ready() && held.status().ok();) {
      MutexLock lock(news->mutex);
      while (news->count == seen) news->changed.Wait(lock);
      seen = news->count;
    }
    EXPECT_THAT(held.status(), IsOk());
    for (size_t i = 0; i < held.ready_parts(); ++i) {
      const std::string_view want = expected_->Part(unit_index, form, held.parts()[i]);
      std::string got(want.size(), '\0');
      if (!held.CopyPart(i, reinterpret_cast<uint8_t*>(got.data()))) return false;
      EXPECT_EQ(got == want, true) << held.unit().id << ", part " << i;
    }
    return true;
  }

  static ExpectedModel* expected_;
};

ExpectedModel* EngineTest::expected_ = nullptr;

TEST_F(EngineTest, ManyClientsInLittleMemory) {
  auto engine = Engine::Start(Options(), {expected_->model});
  ASSERT_THAT(engine, IsOk());
  std::vector<std::thread> clients;
  for (uint32_t seed = 0; seed < 6; ++seed) {
    clients.emplace_back([&engine, seed] {
      std::mt19937 random(seed);
      for (int i = 0; i < 30; ++i) {
        const auto unit = static_cast<uint32_t>(random() % expected_->model->unit_count());
        FetchAndCheck(**engine, unit, random() % 3 == 0 ? UnitForm::kStored : UnitForm::kDecoded,
                      random() % 2 == 0);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  const EngineStats stats = (*engine)->stats();
  EXPECT_GT(stats.host.evictions + stats.slots.evictions, 0u);
  EXPECT_EQ(stats.failed_units, 0u);
}

TEST_F(EngineTest, HoldsThatAreGivenBackAtOnceLeaveNothing) {
  auto engine = Engine::Start(Options(), {expected_->model});
  ASSERT_THAT(engine, IsOk());
  for (int i = 0; i < 200; ++i) {
    const auto lease = (*engine)->Acquire(
        {.unit_index = static_cast<uint32_t>(i) % expected_->model->unit_count()});
    ASSERT_THAT(lease, IsOk());
  }
  EXPECT_TRUE(FetchAndCheck(**engine, 1, UnitForm::kDecoded, false));
}

TEST_F(EngineTest, TooManyRequestsAreRefused) {
  EngineOptions options = Options();
  options.max_requests = 3;
  auto engine = Engine::Start(options, {expected_->model});
  ASSERT_THAT(engine, IsOk());
  std::vector<UnitLease> leases;
  for (int i = 0; i < 3; ++i) {
    auto lease = (*engine)->Acquire({.unit_index = 0});
    ASSERT_THAT(lease, IsOk());
    leases.push_back(*std::move(lease));
  }
  const auto refused = (*engine)->Acquire({.unit_index = 0});
  ASSERT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("try again")));
  EXPECT_EQ(GetErrorInfo(refused.status())->reason, ErrorReason::kOverloaded);
  leases.pop_back();
  EXPECT_THAT((*engine)->Acquire({.unit_index = 0}), IsOk());
}

TEST_F(EngineTest, RefusesBudgetsThatNothingFitsInto) {
  EngineOptions options = Options();
  options.host_budget_bytes = 1 << 20;
  EXPECT_THAT(Engine::Start(options, {expected_->model}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("budget")));
}

}  // namespace
}  // namespace ecf8
