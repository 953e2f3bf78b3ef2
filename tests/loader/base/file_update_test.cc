#include "loader/base/file_update.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::ReadFile;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::TempDir;
using ::ecf8::testing::WriteFile;
using ::testing::HasSubstr;

TEST(FileUpdate, KeepsWhatIsThereAndResizes) {
  const TempDir directory;
  WriteFile(directory / "f", "0123456789");
  {
    auto file = OpenForUpdate(directory / "f");
    ASSERT_THAT(file, IsOk());
    const std::vector<uint8_t> bytes = {'x', 'y'};
    ASSERT_THAT(file->WriteAt(3, bytes), IsOk());
    std::vector<uint8_t> got(3);
    ASSERT_THAT(file->ReadAt(2, absl::MakeSpan(got)), IsOk());
    EXPECT_EQ(got, (std::vector<uint8_t>{'2', 'x', 'y'}));
    ASSERT_THAT(ResizeFile(*file, 6), IsOk());
    ASSERT_THAT(ResizeFile(*file, 8), IsOk());
    EXPECT_THAT(ResizeFile(*file, UINT64_MAX),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("/f")));
  }
  EXPECT_EQ(ReadFile(directory / "f"), std::string("012xy5\0\0", 8));
  EXPECT_THAT(OpenForUpdate(directory / "new"), IsOk());
  EXPECT_EQ(ReadFile(directory / "new"), "");
  std::filesystem::create_symlink(directory / "f", directory / "link");
  EXPECT_THAT(OpenForUpdate(directory / "link"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("/link")));
}

}  // namespace
}  // namespace ecf8
