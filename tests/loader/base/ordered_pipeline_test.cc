#include "loader/base/ordered_pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;

class OrderedPipelineShapes : public ::testing::TestWithParam<std::tuple<size_t, int, size_t>> {};

TEST_P(OrderedPipelineShapes, ConsumesEveryResultInOrderFromARingWithoutLocks) {
  const auto [item_count, threads, max_in_flight] = GetParam();
  std::vector<size_t> ring(max_in_flight);  // TSan sees any two uses that are not ordered
  std::vector<size_t> consumed;
  std::atomic<size_t> in_flight = 0;
  std::atomic<size_t> most_in_flight = 0;
  std::atomic<bool> bad_worker = false;
  const std::thread::id caller = std::this_thread::get_id();

  OrderedJob job;
  job.item_count = item_count;
  job.threads = threads;
  job.max_in_flight = max_in_flight;
  job.work = [&, max = max_in_flight, count = threads](size_t i, int worker) {
    const size_t now = ++in_flight;
    size_t most = most_in_flight;
    while (most < now && !most_in_flight.compare_exchange_weak(most, now)) {
    }
    if (worker < 0 || worker >= count) bad_worker = true;
    if (i % 3 == 0) std::this_thread::yield();
    ring[i % max] = i * i;
    return absl::OkStatus();
  };
  job.consume = [&, max = max_in_flight](size_t i) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    EXPECT_EQ(ring[i % max], i * i);
    consumed.push_back(i);
    --in_flight;
    return absl::OkStatus();
  };
  ASSERT_THAT(RunOrdered(job), IsOk());

  std::vector<size_t> expected(item_count);
  std::iota(expected.begin(), expected.end(), size_t{0});
  EXPECT_EQ(consumed, expected);
  EXPECT_LE(most_in_flight, max_in_flight);
  EXPECT_FALSE(bad_worker);
}

INSTANTIATE_TEST_SUITE_P(Shapes, OrderedPipelineShapes,
                         ::testing::Combine(::testing::Values(0, 1, 2, 7, 1000),
                                            ::testing::Values(1, 2, 8),
                                            ::testing::Values(1, 2, 5, 2000)));

TEST(OrderedPipeline, TheFirstErrorByIndexWins) {
  std::vector<size_t> consumed;
  std::atomic<size_t> highest_begun = 0;
  OrderedJob job;
  job.item_count = 1000;
  job.threads = 4;
  job.max_in_flight = 8;
  job.work = [&](size_t i, int) {
    size_t highest = highest_begun;
    while (highest < i && !highest_begun.compare_exchange_weak(highest, i)) {
    }
    if (i == 20) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    // 21 and later fail sooner than 20 does.
    return i >= 20 ? absl::DataLossError(absl::StrCat("item ", i)) : absl::OkStatus();
  };
  job.consume = [&](size_t i) {
    consumed.push_back(i);
    return absl::OkStatus();
  };
  EXPECT_THAT(RunOrdered(job), StatusIs(absl::StatusCode::kDataLoss, "item 20"));
  EXPECT_EQ(consumed.size(), 20u);
  EXPECT_LT(highest_begun, 28u);
}

TEST(OrderedPipeline, AnErrorOfConsumeStopsTheWork) {
  std::atomic<size_t> worked = 0;
  OrderedJob job;
  job.item_count = 100'000;
  job.threads = 3;
  job.max_in_flight = 4;
  job.work = [&](size_t, int) {
    ++worked;
    return absl::OkStatus();
  };
  job.consume = [](size_t i) {
    return i == 5 ? absl::ResourceExhaustedError("disk full") : absl::OkStatus();
  };
  EXPECT_THAT(RunOrdered(job), StatusIs(absl::StatusCode::kResourceExhausted, "disk full"));
  EXPECT_LE(worked, 9u);  // 0 to 5 + 3
}

TEST(OrderedPipeline, ASlowConsumerHoldsTheWorkersBack) {
  std::atomic<size_t> begun = 0;
  OrderedJob job;
  job.item_count = 50;
  job.threads = 4;
  job.max_in_flight = 3;
  job.work = [&](size_t, int) {
    ++begun;
    return absl::OkStatus();
  };
  job.consume = [&](size_t i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_LE(begun, i + 3);
    return absl::OkStatus();
  };
  EXPECT_THAT(RunOrdered(job), IsOk());
}

TEST(OrderedPipeline, CancelFromWorkOrConsume) {
  for (const bool from_work : {true, false}) {
    std::atomic<bool> cancel = false;
    std::atomic<size_t> worked = 0;
    size_t consumed = 0;
    OrderedJob job;
    job.item_count = 1'000'000;
    job.threads = 2;
    job.max_in_flight = 4;
    job.cancel = &cancel;
    job.work = [&](size_t i, int) {
      ++worked;
      if (from_work && i == 100) cancel = true;
      return absl::OkStatus();
    };
    job.consume = [&](size_t i) {
      ++consumed;
      if (!from_work && i == 100) cancel = true;
      return absl::OkStatus();
    };
    EXPECT_THAT(RunOrdered(job), StatusIs(absl::StatusCode::kCancelled, HasSubstr("cancel")));
    EXPECT_LE(worked, 110u);
    EXPECT_LE(consumed, 101u);
  }
}

TEST(OrderedPipeline, CancelWhileTheConsumerWaits) {
  std::atomic<bool> cancel = false;
  OrderedJob job;
  job.item_count = 10;
  job.threads = 1;
  job.max_in_flight = 1;
  job.cancel = &cancel;
  job.work = [&](size_t, int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    cancel = true;
    return absl::OkStatus();
  };
  job.consume = [](size_t) { return absl::OkStatus(); };
  EXPECT_THAT(RunOrdered(job), StatusIs(absl::StatusCode::kCancelled, HasSubstr("cancel")));
}

TEST(OrderedPipeline, WorkRunsInParallel) {
  // Each of two items waits for the other to begin: one thread alone would never finish.
  std::atomic<int> begun = 0;
  OrderedJob job;
  job.item_count = 2;
  job.threads = 2;
  job.max_in_flight = 2;
  job.work = [&](size_t, int) {
    ++begun;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (begun < 2 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    return begun == 2 ? absl::OkStatus() : absl::DeadlineExceededError("alone");
  };
  job.consume = [](size_t) { return absl::OkStatus(); };
  EXPECT_THAT(RunOrdered(job), IsOk());
}

TEST(OrderedPipeline, ZeroThreadsAndRoomAreTakenAsOne) {
  size_t consumed = 0;
  OrderedJob job;
  job.item_count = 5;
  job.threads = 0;
  job.max_in_flight = 0;
  job.work = [](size_t, int) { return absl::OkStatus(); };
  job.consume = [&](size_t) {
    ++consumed;
    return absl::OkStatus();
  };
  EXPECT_THAT(RunOrdered(job), IsOk());
  EXPECT_EQ(consumed, 5u);
}

}  // namespace
}  // namespace ecf8
