// The engine on real threads and a real disk with the CUDA device over the fake: many clients,
// little memory, and copies, launches and reads that fail now and then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "loader/engine/engine.h"
#include "loader/io/read_calls.h"
#include "loader/model/error_info.h"
#include "tests/loader/cuda/cuda_rig.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::ExpectedModel;
using ::ecf8::testing::FakeCuda;
using ::ecf8::testing::FakeCudaOptions;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;

// A disk that fails with EIO now and then.
class FaultyReadCalls final : public ReadCalls {
 public:
  FaultyReadCalls(uint64_t seed, double probability) : random_(seed), probability_(probability) {}

  int64_t Read(int fd, absl::Span<uint8_t> memory, uint64_t offset_bytes) override {
    {
      MutexLock lock(mutex_);
      if (std::bernoulli_distribution(probability_)(random_)) return -EIO;
    }
    return ReadCalls::Read(fd, memory, offset_bytes);
  }

 private:
  Mutex mutex_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);
  const double probability_;
};

class CudaEngineTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    expected_ = new ExpectedModel({.layers = 5, .projection_rows = 1500});
  }
  static void TearDownTestSuite() { delete expected_; }

  static EngineOptions Options(FakeCuda* cuda, bool device_frames) {
    EngineOptions options;
    options.device = "cuda:0";
    options.cuda = cuda;
    options.host_budget_bytes = 88 << 20;  // the flights' memory, and room for a few units
    options.device_budget_bytes = device_frames ? 4 << 20 : 0;
    options.slot_budget_bytes = 8 << 20;
    options.decode_threads = 2;
    options.reader.backend = BlockReaderBackend::kThreads;
    return options;
  }

  // Asks, waits, compares every part, gives back. Not OK where the unit or a part did not come.
  static absl::Status Fetch(Engine& engine, uint32_t unit_index, UnitForm form) {
    struct News {
      Mutex mutex;
      CondVar changed;
      uint64_t count ABSL_GUARDED_BY(mutex) = 0;
    };
    const auto news = std::make_shared<News>();
    auto lease = engine.Acquire({.unit_index = unit_index, .form = form, .on_progress = [news] {
                                   MutexLock lock(news->mutex);
                                   ++news->count;
                                   news->changed.NotifyAll();
                                 }});
    EXPECT_THAT(lease, IsOk());
    if (!lease.ok()) return lease.status();
    HeldUnit& held = **lease;
    for (uint64_t seen = 0; !held.ready() && held.status().ok();) {
      MutexLock lock(news->mutex);
      while (news->count == seen) news->changed.Wait(lock);
      seen = news->count;
    }
    for (size_t i = 0; i < held.ready_parts() && held.status().ok(); ++i) {
      const std::string_view want = expected_->Part(unit_index, form, held.parts()[i]);
      std::string got(want.size(), '\0');
      if (!held.CopyPart(i, reinterpret_cast<uint8_t*>(got.data()))) return held.status();
      EXPECT_EQ(got == want, true) << held.unit().id << ", part " << i;
    }
    return held.status();
  }

  // Random clients; what they got that was not OK.
  static std::vector<absl::Status> RunClients(Engine& engine, uint64_t seed, int fetches) {
    Mutex mutex;
    std::vector<absl::Status> failures;
    std::vector<std::thread> clients;
    for (uint64_t client = 0; client < 4; ++client) {
      clients.emplace_back([&, client] {
        std::mt19937_64 random(seed * 100 + client);
        for (int i = 0; i < fetches; ++i) {
          const auto unit = static_cast<uint32_t>(random() % expected_->model->unit_count());
          const UnitForm form = random() % 4 == 0 ? UnitForm::kStored : UnitForm::kDecoded;
          const absl::Status status = Fetch(engine, unit, form);
          MutexLock lock(mutex);
          if (!status.ok()) failures.push_back(status);
        }
      });
    }
    for (std::thread& client : clients) client.join();
    return failures;
  }

  static ExpectedModel* expected_;
};

ExpectedModel* CudaEngineTest::expected_ = nullptr;

TEST_F(CudaEngineTest, ManyClientsInLittleMemory) {
  for (const bool device_frames : {false, true}) {
    FakeCuda cuda;
    auto engine = Engine::Start(Options(&cuda, device_frames), {expected_->model});
    ASSERT_THAT(engine, IsOk());
    EXPECT_EQ((*engine)->device_info().name, "cuda:0");
    EXPECT_THAT(RunClients(**engine, 1, 15), ::testing::IsEmpty());
    const EngineStats stats = (*engine)->stats();
    EXPECT_GT(stats.slots.evictions, 0u);
    EXPECT_EQ(stats.device.hits > 0, device_frames);
    EXPECT_EQ(stats.failed_units, 0u);
    EXPECT_GT(stats.decode_ns, 0u);
  }
}

// ECF8_SIMULATION_RUNS and _SEED, as of engine_simulation_test.
TEST_F(CudaEngineTest, EveryByteIsRightAndEveryErrorHasItsCause) {
  const char* const runs_text = std::getenv("ECF8_SIMULATION_RUNS");
  const char* const seed_text = std::getenv("ECF8_SIMULATION_SEED");
  const uint64_t runs = runs_text == nullptr ? 10 : std::strtoull(runs_text, nullptr, 10);
  const uint64_t first = seed_text == nullptr ? 1 : std::strtoull(seed_text, nullptr, 10);
  uint64_t failures = 0;
  for (uint64_t seed = first; seed < first + runs; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    FakeCuda cuda(FakeCudaOptions{
        .seed = seed, .virtual_memory = random() % 4 != 0, .exports_handles = random() % 2 == 0});
    FaultyReadCalls disk(seed, random() % 2 == 0 ? 0.03 : 0);
    EngineOptions options = Options(&cuda, random() % 2 == 0);
    options.reader.calls = &disk;
    auto engine = Engine::Start(options, {expected_->model});
    ASSERT_THAT(engine, IsOk());
    cuda.FailAtRandom(0.02);
    for (const absl::Status& status : RunClients(**engine, seed, 8)) {
      ++failures;
      const auto info = GetErrorInfo(status);
      ASSERT_TRUE(info.has_value()) << status;
      EXPECT_FALSE(info->unit.empty());
      const std::string message(status.message());
      const bool of_cuda = message.find(" on cuda:0: invalid argument") != std::string::npos;
      const bool of_disk = absl::IsDataLoss(status) && info->reason == ErrorReason::kReadFailed;
      EXPECT_TRUE(of_cuda ? cuda.faults() > 0 && absl::IsInternal(status) : of_disk) << status;
    }
    cuda.FailAtRandom(0);
    if (::testing::Test::HasFailure()) return;
  }
  if (runs >= 10) {
    EXPECT_GT(failures, 0u);
  }
}

TEST_F(CudaEngineTest, ALostDeviceFailsItsRequestsAndLeavesTheEngineUp) {
  FakeCuda cuda;
  auto engine = Engine::Start(Options(&cuda, true), {expected_->model});
  ASSERT_THAT(engine, IsOk());
  EXPECT_THAT(Fetch(**engine, 1, UnitForm::kDecoded), IsOk());
  cuda.FailKernel(1);
  for (const uint32_t unit : {2u, 1u, 3u}) {
    EXPECT_THAT(Fetch(**engine, unit, UnitForm::kDecoded),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr("cuda:0")));
  }
  // Stored bytes need no device.
  EXPECT_THAT(Fetch(**engine, 4, UnitForm::kStored), IsOk());
}

TEST_F(CudaEngineTest, TheFlightsMemoryIsOfTheHostBudget) {
  FakeCuda cuda;
  EngineOptions options = Options(&cuda, false);
  options.host_budget_bytes = 20 << 20;
  EXPECT_THAT(Engine::Start(options, {expected_->model}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("that decoding takes")));
}

}  // namespace
}  // namespace ecf8
