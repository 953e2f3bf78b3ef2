#include "loader/io/read_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <optional>

#include "tests/support/block_reads.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::testing::AllOf;
using testing::BlockMemory;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

class ReadProgressTest : public ::testing::Test {
 protected:
  ReadProgress Make(uint32_t size_bytes, bool direct) {
    return {{.offset_bytes = 10 * kBlockBytes, .data = memory_.data(), .size_bytes = size_bytes},
            direct};
  }

  BlockMemory memory_{4 * kBlockBytes};
};

TEST_F(ReadProgressTest, DirectRequestsAreWholeBlocks) {
  ReadProgress progress = Make(2 * kBlockBytes + 1, true);
  EXPECT_EQ(progress.memory().size(), 3 * kBlockBytes);
  // A block and a half came: the half is read again, from its block's start.
  EXPECT_EQ(progress.OnResult(kBlockBytes + kBlockBytes / 2, "f"), std::nullopt);
  EXPECT_EQ(progress.offset_bytes(), 11 * kBlockBytes);
  EXPECT_EQ(progress.memory().data(), memory_.data() + kBlockBytes);
  EXPECT_EQ(progress.memory().size(), 2 * kBlockBytes);
  // The file ends right behind what is wanted.
  const std::optional<absl::Status> status = progress.OnResult(kBlockBytes + 1, "f");
  ASSERT_TRUE(status.has_value());
  EXPECT_THAT(*status, IsOk());
}

TEST_F(ReadProgressTest, BufferedRequestsGoOnWhereTheLastEnded) {
  ReadProgress progress = Make(2 * kBlockBytes + 1, false);
  EXPECT_EQ(progress.memory().size(), 2 * kBlockBytes + 1);
  EXPECT_EQ(progress.OnResult(5, "f"), std::nullopt);
  EXPECT_EQ(progress.offset_bytes(), 10 * kBlockBytes + 5);
  EXPECT_EQ(progress.memory().data(), memory_.data() + 5);
  EXPECT_EQ(progress.memory().size(), 2 * kBlockBytes - 4);
  EXPECT_EQ(progress.OnResult(2 * kBlockBytes - 5, "f"), std::nullopt);
  EXPECT_EQ(progress.memory().size(), 1);
  const std::optional<absl::Status> status = progress.OnResult(1, "f");
  ASSERT_TRUE(status.has_value());
  EXPECT_THAT(*status, IsOk());
}

TEST_F(ReadProgressTest, TheSamePartOfABlockAgainAndAgainIsTheEnd) {
  ReadProgress progress = Make(2 * kBlockBytes, true);
  EXPECT_EQ(progress.OnResult(kBlockBytes + 7, "f"), std::nullopt);
  for (int i = 0; i < ReadProgress::kMaxFruitless; ++i) {
    ASSERT_EQ(progress.OnResult(7, "f"), std::nullopt);
  }
  const std::optional<absl::Status> status = progress.OnResult(7, "f");
  ASSERT_TRUE(status.has_value());
  EXPECT_THAT(*status,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("\"f\" ends at offset 45063,")));
}

TEST_F(ReadProgressTest, InterruptionsAreRetriedButNotForEver) {
  for (const int error : {EINTR, EAGAIN}) {
    ReadProgress progress = Make(2 * kBlockBytes, true);
    for (int i = 0; i < ReadProgress::kMaxFruitless; ++i) {
      ASSERT_EQ(progress.OnResult(-error, "f"), std::nullopt);
    }
    ASSERT_EQ(progress.OnResult(kBlockBytes, "f"), std::nullopt);  // counts anew from here
    for (int i = 0; i < ReadProgress::kMaxFruitless; ++i) {
      ASSERT_EQ(progress.OnResult(-error, "f"), std::nullopt);
    }
    const std::optional<absl::Status> status = progress.OnResult(-error, "f");
    ASSERT_TRUE(status.has_value());
    EXPECT_THAT(*status, StatusIs(absl::StatusCode::kUnavailable,
                                  AllOf(HasSubstr("\"f\""), HasSubstr("offset 45056"))));
  }
}

TEST_F(ReadProgressTest, OtherErrorsEndTheRead) {
  const std::optional<absl::Status> broken = Make(1, true).OnResult(-EIO, "f");
  ASSERT_TRUE(broken.has_value());
  EXPECT_THAT(*broken, StatusIs(absl::StatusCode::kDataLoss,
                                HasSubstr("cannot read \"f\" at offset 40960: Input/output")));
  const std::optional<absl::Status> no_memory = Make(1, true).OnResult(-ENOMEM, "f");
  ASSERT_TRUE(no_memory.has_value());
  EXPECT_EQ(no_memory->code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace ecf8
