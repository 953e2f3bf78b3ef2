#include "tools/ecf8/timed_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;
using testing::TempDir;
using testing::WriteFile;

TEST(TimedReader, ReadsAllOfAFileAgainAndAgain) {
  TempDir dir;
  WriteFile(dir / "file", std::string(5 * kMaxReadBytes, 'x'));
  for (const uint32_t depth : {1u, 2u, 8u}) {
    const auto reader = TimedReader::Open(dir / "file", {.queue_depth = depth});
    ASSERT_THAT(reader, IsOk());
    for (int pass = 1; pass <= 2; ++pass) {
      const absl::StatusOr<double> gbps = (*reader)->Read(5 * kMaxReadBytes);
      ASSERT_THAT(gbps, IsOk());
      EXPECT_GT(*gbps, 0);
      EXPECT_EQ((*reader)->info().bytes_read, pass * 5 * uint64_t{kMaxReadBytes});
    }
  }
}

TEST(TimedReader, AnErrorEndsThePass) {
  TempDir dir;
  WriteFile(dir / "file", std::string(2 * kMaxReadBytes, 'x'));
  const auto reader = TimedReader::Open(dir / "file", {.queue_depth = 2});
  ASSERT_THAT(reader, IsOk());
  EXPECT_THAT((*reader)->Read(3 * kMaxReadBytes),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("ends at offset 8388608")));
  EXPECT_THAT((*reader)->Read(2 * kMaxReadBytes), IsOk());
}

}  // namespace
}  // namespace ecf8
