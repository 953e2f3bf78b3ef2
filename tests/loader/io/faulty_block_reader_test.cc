// The simulation itself: its clock, that its faults happen, and that a seed gives the same run
// again.
#include "tests/support/faulty_block_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "tests/support/block_reads.h"
#include "tests/support/status_matchers.h"
#include "tests/support/virtual_time.h"

namespace ecf8::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint32_t kReads = 200;
constexpr uint32_t kReadBytes = 6 * kBlockBytes - 3;

TEST(VirtualTime, RunsInOrderOfTimeAndThenOfAt) {
  VirtualTime time;
  std::vector<int> order;
  time.At(20, [&] { order.push_back(3); });
  time.At(10, [&] {
    order.push_back(1);
    time.At(0, [&] { order.push_back(2); });
    time.At(10, [&] { order.push_back(4); });
  });
  time.RunUntilIdle();
  EXPECT_THAT(order, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(time.now_us(), 20);
  EXPECT_FALSE(time.RunNext());
}

// What happened in a run: each completion with its moment, in order.
class Log : public BlockReadSink {
 public:
  explicit Log(const VirtualTime& time) : time_(time) {}
  void OnReadsDone(absl::Span<const BlockReadDone> done) override {
    for (const BlockReadDone& read : done) {
      text_ += std::to_string(time_.now_us()) + " " + std::to_string(read.tag) + " " +
               read.status.ToString() + "\n";
      statuses_.push_back(read.status);
      tags_.push_back(read.tag);
    }
    largest_batch_ = std::max(largest_batch_, done.size());
  }

  const VirtualTime& time_;
  std::string text_;
  std::vector<absl::Status> statuses_;
  std::vector<uint64_t> tags_;
  size_t largest_batch_ = 0;
};

struct SimulatedRun {
  SimulatedRun(const FaultyReaderOptions& options, int broken = 0) : log(time) {
    FaultyBlockReader reader(options, time, log);
    const std::string bytes = PlacedBytes(uint64_t{kReads} * kBlockBytes + kReadBytes, 1);
    reader.SetContent("/model/shard", bytes);
    reader.SetError("/model/shard", broken);
    const uint32_t file = *reader.AddFile("/model/shard", "shard");
    std::vector<BlockMemory> memories;
    for (uint64_t i = 0; i < kReads; ++i) {
      memories.emplace_back(kReadBytes);
      const BlockRead read{file, i * kBlockBytes, memories[i].data(), kReadBytes, i};
      while (!reader.TrySubmit(read)) EXPECT_TRUE(time.RunNext());
    }
    time.RunUntilIdle();
    for (size_t i = 0; i < log.tags_.size(); ++i) {
      const uint64_t tag = log.tags_[i];
      const bool right = memories[tag].text(kReadBytes) ==
                         std::string_view(bytes).substr(tag * kBlockBytes, kReadBytes);
      EXPECT_EQ(right, log.statuses_[i].ok()) << tag;
    }
    failures = reader.failures();
    info = reader.info();
  }

  VirtualTime time;
  Log log;
  std::vector<FaultyReadFailure> failures;
  BlockReaderInfo info;
};

TEST(FaultyBlockReader, ASeedGivesTheSameRun) {
  const FaultyReaderOptions options = {.seed = 5, .short_read = 0.2, .eintr = 0.1, .eio = 0.05};
  const SimulatedRun first(options);
  EXPECT_EQ(first.log.text_, SimulatedRun(options).log.text_);
  EXPECT_NE(first.log.text_, SimulatedRun({.seed = 6, .short_read = 0.2, .eio = 0.05}).log.text_);
  EXPECT_EQ(first.log.tags_.size(), kReads);
}

TEST(FaultyBlockReader, ReordersAndBatches) {
  const SimulatedRun run({.seed = 1});
  EXPECT_FALSE(std::is_sorted(run.log.tags_.begin(), run.log.tags_.end()));
  EXPECT_GT(run.log.largest_batch_, 1);
  EXPECT_EQ(run.info.reads_done, kReads);
  EXPECT_EQ(run.info.retries, 0);
}

TEST(FaultyBlockReader, EachFaultHappens) {
  const SimulatedRun broken({.seed = 1, .eio = 0.1});
  ASSERT_FALSE(broken.failures.empty());
  EXPECT_THAT(broken.failures[0].status,
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("\"shard\""), HasSubstr("Input/output error"))));
  EXPECT_EQ(broken.failures.size(), broken.info.reads_failed);
  const SimulatedRun cut({.seed = 1, .truncated = 0.1});
  ASSERT_FALSE(cut.failures.empty());
  EXPECT_THAT(cut.failures[0].status,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("\"shard\" ends at offset")));
  const SimulatedRun slow({.seed = 1, .short_read = 0.1, .eintr = 0.1, .eagain = 0.1});
  EXPECT_TRUE(slow.failures.empty());
  EXPECT_GT(slow.info.retries, kReads / 5);
}

TEST(FaultyBlockReader, AStandingErrorHitsEveryReadOfTheFile) {
  EXPECT_EQ(SimulatedRun({.seed = 1}, EIO).failures.size(), kReads);
}

}  // namespace
}  // namespace ecf8::testing
