// Which ends of a call are tried again, and for how long.

#include "rpc/public/retry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <stop_token>
#include <thread>

#include "loader/model/error_info.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

absl::Status Gone() { return absl::UnavailableError("the connection was closed"); }

absl::Status Connected(const CallLimits& /*limits*/) { return absl::OkStatus(); }

TEST(Retry, OnlyWhatADaemonThatComesBackWouldMend) {
  EXPECT_TRUE(MayPass(Gone()));
  EXPECT_TRUE(MayPass(WithErrorInfo(Gone(), {.reason = ErrorReason::kShuttingDown})));
  EXPECT_FALSE(MayPass(WithErrorInfo(Gone(), {.reason = ErrorReason::kInternal})));
  EXPECT_FALSE(MayPass(absl::OkStatus()));
  EXPECT_FALSE(MayPass(absl::DataLossError("")));
  EXPECT_FALSE(MayPass(absl::ResourceExhaustedError("")));
}

TEST(Retry, UntilItWorks) {
  int calls = 0;
  int connects = 0;
  const auto connect = [&](const CallLimits& limits) {
    ++connects;
    EXPECT_GT(limits.deadline, Clock::now());
    return absl::OkStatus();
  };
  const auto third = [&] { return ++calls < 3 ? Gone() : absl::OkStatus(); };
  EXPECT_THAT(Retry(milliseconds(10'000), {}, third, connect), IsOk());
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(connects, 2);
}

TEST(Retry, NotWhatFailsOtherwise) {
  int calls = 0;
  const auto call = [&] {
    ++calls;
    return absl::NotFoundError("no such model");
  };
  EXPECT_THAT(Retry(milliseconds(10'000), {}, call, Connected),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("model")));
  EXPECT_EQ(calls, 1);
}

TEST(Retry, NotForEver) {
  const Clock::time_point begin = Clock::now();
  EXPECT_THAT(Retry(milliseconds(100), {}, Gone, Connected),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("closed")));
  EXPECT_LE(Clock::now() - begin, milliseconds(10'000));
  EXPECT_THAT(Retry(milliseconds(0), {}, Gone,
                    [](const CallLimits&) { return absl::InternalError("was called"); }),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("closed")));
}

TEST(Retry, NotBeyondTheCallsDeadline) {
  const Clock::time_point begin = Clock::now();
  EXPECT_THAT(Retry(milliseconds(60'000), {.deadline = begin + milliseconds(100)}, Gone, Connected),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("closed")));
  EXPECT_LE(Clock::now() - begin, milliseconds(5000));
}

TEST(Retry, AStopEndsThePause) {
  std::stop_source stop;
  std::thread stopper([&] {
    std::this_thread::sleep_for(milliseconds(30));
    stop.request_stop();
  });
  EXPECT_THAT(Retry(milliseconds(60'000), {.stop = stop.get_token()}, Gone, Connected),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("interrupted")));
  stopper.join();
}

TEST(Retry, WhereNobodyIsFoundThatIsSaid) {
  EXPECT_THAT(Retry(milliseconds(10'000), {}, Gone,
                    [](const CallLimits&) { return absl::UnavailableError("no daemon answers"); }),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no daemon answers")));
}

}  // namespace
}  // namespace ecf8
