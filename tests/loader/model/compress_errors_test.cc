// What goes wrong leaves the source whole and no destination.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>

#include "loader/model/compress.h"
#include "loader/model/compressed_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_model.h"

namespace ecf8 {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::PlainFile;
using testing::ReadFile;
using testing::StatusIs;
using testing::TempDir;
using testing::WriteFile;

// What lies in the directory: a staging directory that stays behind would be seen.
size_t EntryCount(const TempDir& dir) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    count += entry.exists();
  }
  return count;
}

TEST(CompressErrorsTest, CancelledInTheMiddleLeavesNothing) {
  TempDir dir;
  testing::WriteAwkwardModel(dir / "plain");
  std::atomic<bool> cancel = false;
  JobOptions options;
  options.cancel = &cancel;
  options.progress = [&cancel](const Progress&) { cancel = true; };
  EXPECT_THAT(CompressModel(dir / "plain", dir / "packed", options),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("")));
  EXPECT_EQ(EntryCount(dir), 1u);
  ASSERT_THAT(CompressModel(dir / "plain", dir / "packed", {}), IsOk());
  EXPECT_THAT(DecompressModel(dir / "packed", dir / "restored", options),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("")));
  EXPECT_EQ(EntryCount(dir), 2u);
}

// A limit on the size of files stands for a full disk: the write fails in the middle of a shard.
TEST(CompressErrorsTest, FullDiskNamesTheFileAndLeavesNothing) {
  TempDir dir;
  testing::WriteAwkwardModel(dir / "plain");
  ASSERT_THAT(CompressModel(dir / "plain", dir / "packed", {}), IsOk());
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
  rlimit limit = {2'000'000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const auto compressed = CompressModel(dir / "plain", dir / "again", {});
  const auto decompressed = DecompressModel(dir / "packed", dir / "restored", {});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(compressed,
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(".safetensors")));
  EXPECT_THAT(decompressed,
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(".safetensors")));
  EXPECT_EQ(EntryCount(dir), 2u);
}

TEST(CompressErrorsTest, SourceAndDestinationMustBeApart) {
  TempDir dir;
  testing::WriteTinyModel(dir / "plain");
  ASSERT_THAT(CompressModel(dir / "plain", dir / "packed", {}), IsOk());
  std::filesystem::create_symlink(dir / "plain", dir / "link");
  JobOptions force;
  force.replace = true;
  const auto expect_refused = [&](const std::string& from, const std::string& to) {
    EXPECT_THAT(CompressModel(from, to, force),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("inside one another")))
        << to;
  };
  expect_refused(dir / "plain", dir / "plain");
  expect_refused(dir / "plain", dir / "plain/");
  expect_refused(dir / "plain", dir / "plain/sub");
  expect_refused(dir / "plain", dir / "link/sub/deeper");
  expect_refused(dir / "plain", dir.path());
  expect_refused(dir / "plain/", dir / "packed/../plain/x");
  EXPECT_THAT(DecompressModel(dir / "packed", dir / "packed/x", force),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("inside one another")));
  EXPECT_EQ(EntryCount(dir), 3u);
}

TEST(CompressErrorsTest, SourceThatChangesMeanwhile) {
  TempDir dir;
  testing::WriteAwkwardModel(dir / "plain");
  const std::string shard = dir / "plain/model-00001-of-00002.safetensors";
  JobOptions options;
  options.progress = [&](const Progress&) {
    std::fstream(shard, std::ios::binary | std::ios::in | std::ios::out).put('\x7F');
  };
  EXPECT_THAT(CompressModel(dir / "plain", dir / "packed", options),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("model-00001-of-00002.safetensors")));
  EXPECT_EQ(EntryCount(dir), 1u);
}

TEST(CompressErrorsTest, CompressedModelsAreNotCompressedAgain) {
  TempDir dir;
  testing::WriteTinyModel(dir / "plain");
  ASSERT_THAT(CompressModel(dir / "plain", dir / "packed", {}), IsOk());
  EXPECT_EQ(CompressModel(dir / "packed", dir / "again", {}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DecompressModel(dir / "plain", dir / "restored", {}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(EntryCount(dir), 2u);
}

TEST(CompressErrorsTest, StrayFilesThatWouldPassForShards) {
  TempDir dir;
  testing::WriteTinyModel(dir / "plain");
  ASSERT_THAT(CompressModel(dir / "plain", dir / "packed", {}), IsOk());
  std::filesystem::copy_file(dir / "packed/model-00001-of-00001.safetensors",
                             dir / "plain/zzz.safetensors");
  EXPECT_THAT(CompressModel(dir / "plain", dir / "again", {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("zzz.safetensors")));
  std::filesystem::remove(dir / "plain/zzz.safetensors");
  WriteFile(dir / "plain/model-00001-of-00001.safetensors", "in the way");
  EXPECT_THAT(CompressModel(dir / "plain", dir / "again", {}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("model-00001-of-00001.safetensors")));
  EXPECT_EQ(EntryCount(dir), 2u);
}

TEST(CompressErrorsTest, HostileSourcesAreRefused) {
  TempDir dir;
  WriteFile(dir / "a/model.safetensors",
            PlainFile().Add("__ecf8__.manifest", "U8", {1}, "x").Bytes());
  WriteFile(dir / "b/model.safetensors", std::string(8, '\xFF') + "{}");
  WriteFile(dir / "c/model.safetensors", PlainFile().Add("w", "U8", {2}, "x").Bytes());
  WriteFile(dir / "d/readme.txt", "no model");
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    EXPECT_FALSE(CompressModel(dir / name, dir / "packed", {}).ok()) << name;
  }
  EXPECT_EQ(EntryCount(dir), 4u);
}

TEST(DecompressErrorsTest, DamageIsDataLossAndLeavesNothing) {
  TempDir dir;
  testing::WriteTinyModel(dir / "plain");
  ASSERT_THAT(CompressModel(dir / "plain", dir / "packed", {}), IsOk());
  const auto model = CompressedModel::Open(dir / "packed");
  ASSERT_THAT(model, IsOk());
  const Shard& shard = (*model)->shards()[0];
  const std::string path = dir / "packed/" + shard.file_name;
  const std::string whole = ReadFile(path);
  const auto expect_data_loss = [&](const char* what) {
    EXPECT_THAT(DecompressModel(dir / "packed", dir / "restored", {}),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr(what)));
    EXPECT_EQ(EntryCount(dir), 2u);
  };
  for (const Unit& unit : shard.manifest.units) {
    std::string damaged = whole;
    damaged[unit.offset_bytes + unit.stored_size_bytes - 1] ^= 4;
    WriteFile(path, damaged);
    expect_data_loss(unit.id.c_str());
  }
  std::string damaged = whole;
  damaged[shard.manifest_offset_bytes + 100] ^= 1;
  WriteFile(path, damaged);
  expect_data_loss("manifest");
  WriteFile(path, whole);
  WriteFile(dir / "packed/tokenizer/tokenizer.json", std::string(3000, 'x'));
  expect_data_loss("tokenizer/tokenizer.json");
}

}  // namespace
}  // namespace ecf8
