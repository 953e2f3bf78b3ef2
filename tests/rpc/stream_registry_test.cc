#include "rpc/stream_registry.h"

#include <gtest/gtest.h>

#include <thread>

#include "loader/model/error_info.h"

namespace ecf8 {
namespace {

using Clock = std::chrono::steady_clock;

class FakeStream final : public ServedStream {
 public:
  void Abort(const absl::Status& status) override { aborted = status; }

  absl::Status aborted;
};

TEST(StreamRegistry, RefusesBeyondItsLimit) {
  StreamRegistry registry(2);
  const auto a = std::make_shared<FakeStream>();
  const auto b = std::make_shared<FakeStream>();
  const auto c = std::make_shared<FakeStream>();
  EXPECT_TRUE(registry.Add(a).ok());
  EXPECT_TRUE(registry.Add(b).ok());
  const absl::Status refused = registry.Add(c);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetErrorInfo(refused)->reason, ErrorReason::kOverloaded);
  registry.Remove(c.get());  // was never in
  EXPECT_EQ(registry.size(), 2u);
  registry.Remove(a.get());
  EXPECT_TRUE(registry.Add(c).ok());
}

TEST(StreamRegistry, DrainRefusesNewStreamsAndWaitsForOldOnes) {
  StreamRegistry registry(2);
  const auto stream = std::make_shared<FakeStream>();
  ASSERT_TRUE(registry.Add(stream).ok());
  registry.BeginDrain();
  const absl::Status refused = registry.Add(std::make_shared<FakeStream>());
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(GetErrorInfo(refused)->reason, ErrorReason::kShuttingDown);
  EXPECT_FALSE(registry.WaitIdle(Clock::now() + std::chrono::milliseconds(20)));
  std::thread ends([&] { registry.Remove(stream.get()); });
  EXPECT_TRUE(registry.WaitIdle(Clock::now() + std::chrono::seconds(30)));
  ends.join();
}

TEST(StreamRegistry, ReachesEveryLivingStream) {
  StreamRegistry registry(3);
  const auto a = std::make_shared<FakeStream>();
  auto dead = std::make_shared<FakeStream>();
  ASSERT_TRUE(registry.Add(a).ok());
  ASSERT_TRUE(registry.Add(dead).ok());
  dead.reset();
  registry.AbortAll(ShuttingDownError());
  EXPECT_EQ(a->aborted.code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace ecf8
