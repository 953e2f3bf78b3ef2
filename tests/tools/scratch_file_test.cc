#include "tools/ecf8/scratch_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <string>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::testing::_;
using testing::IsOk;
using testing::StatusIs;
using testing::TempDir;
using testing::WriteFile;

constexpr uint64_t kSizeBytes = 3'000'000;

TEST(ScratchFile, TakesTheLargestShardAndLeavesIt) {
  TempDir dir;
  const std::atomic<bool> cancel = false;
  WriteFile(dir / "small.safetensors", std::string(kSizeBytes, 's'));
  WriteFile(dir / "large.safetensors", std::string(kSizeBytes + 1, 'l'));
  WriteFile(dir / "larger.bin", std::string(kSizeBytes + 2, 'b'));
  {
    const auto file = ScratchFile::Find(dir.path(), kSizeBytes, cancel);
    ASSERT_THAT(file, IsOk());
    EXPECT_EQ((*file)->path(), dir / "large.safetensors");
  }
  EXPECT_TRUE(std::filesystem::exists(dir / "large.safetensors"));
}

TEST(ScratchFile, MakesOneAndRemovesIt) {
  TempDir dir;
  const std::atomic<bool> cancel = false;
  WriteFile(dir / "small.safetensors", std::string(kSizeBytes - 1, 's'));
  std::string path;
  {
    const auto file = ScratchFile::Find(dir.path(), kSizeBytes, cancel);
    ASSERT_THAT(file, IsOk());
    path = (*file)->path();
    EXPECT_EQ(std::filesystem::file_size(path), kSizeBytes);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ScratchFile, NothingStaysOfOneThatIsCancelled) {
  TempDir dir;
  const std::atomic<bool> cancel = true;
  EXPECT_THAT(ScratchFile::Find(dir.path(), kSizeBytes, cancel),
              StatusIs(absl::StatusCode::kCancelled, _));
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
  EXPECT_THAT(ScratchFile::Find(dir / "absent", kSizeBytes, cancel),
              StatusIs(absl::StatusCode::kNotFound, _));
}

}  // namespace
}  // namespace ecf8
