#include "loader/checkpoint/source_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "loader/checkpoint/directory_listing.h"
#include "tests/support/safetensors_bytes.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::OneTensorFile;
using ::ecf8::testing::SafetensorsBytes;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::TempDir;
using ::ecf8::testing::WriteFile;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kIndex[] = "model.safetensors.index.json";

// Two shards, "a" in the first and "b" in the second, an index, a config and some files.
void WriteShardedModel(const TempDir& directory) {
  WriteFile(directory / "model-1.safetensors", OneTensorFile("a", "aaaa"));
  WriteFile(directory / "model-2.safetensors", OneTensorFile("b", "bb"));
  WriteFile(directory / kIndex,
            R"({"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}})");
  WriteFile(directory / "config.json", "{}");
  WriteFile(directory / "tokenizer.json", "{}");
}

std::vector<std::string> ShardPaths(const SourceModel& model) {
  std::vector<std::string> paths;
  for (const SourceShard& shard : model.shards) paths.push_back(shard.path);
  return paths;
}

TEST(SourceModel, AShardedDirectory) {
  const TempDir directory;
  WriteShardedModel(directory);
  // What the index does not list is no shard, wherever it is.
  WriteFile(directory / "stray.safetensors", "not even one");
  WriteFile(directory / "sub/größe/model-1.safetensors", "another");
  WriteFile(directory / "sub/config.json", "{}");
  WriteFile(directory / ".hidden", "");
  auto model = OpenSourceModel(directory.path() + "/");
  ASSERT_THAT(model, IsOk());
  EXPECT_EQ(model->directory, fs::canonical(directory.path()));
  EXPECT_FALSE(model->is_single_file);
  EXPECT_THAT(ShardPaths(*model), ElementsAre("model-1.safetensors", "model-2.safetensors"));
  EXPECT_EQ(model->index_path, kIndex);
  EXPECT_TRUE(model->has_config);
  EXPECT_THAT(model->other_paths, ElementsAre(".hidden", "stray.safetensors", "sub/config.json",
                                              "sub/größe/model-1.safetensors", "tokenizer.json"));
  EXPECT_EQ(model->tensor({1, 0}).name, "b");
  EXPECT_EQ(model->tensor({1, 0}).size_bytes(), 2u);
  EXPECT_THAT(CheckSourceUnchanged(*model), IsOk());
}

TEST(SourceModel, ADirectoryWithoutAnIndex) {
  const TempDir directory;
  WriteFile(directory / "b.safetensors", OneTensorFile("b", "bb"));
  WriteFile(directory / "a.safetensors", OneTensorFile("a", ""));
  WriteFile(directory / "._a.safetensors", "a dropping of macOS");
  WriteFile(directory / "sub/c.safetensors", "not looked at");
  auto model = OpenSourceModel(directory.path());
  ASSERT_THAT(model, IsOk());
  EXPECT_THAT(ShardPaths(*model), ElementsAre("a.safetensors", "b.safetensors"));
  EXPECT_EQ(model->index_path, "");
  EXPECT_FALSE(model->has_config);
  EXPECT_THAT(model->other_paths, ElementsAre("._a.safetensors", "sub/c.safetensors"));
}

TEST(SourceModel, ASingleFile) {
  const TempDir directory;
  WriteShardedModel(directory);
  const auto check = [&](const std::string& path, const std::string& name) {
    auto model = OpenSourceModel(path);
    ASSERT_THAT(model, IsOk());
    EXPECT_TRUE(model->is_single_file);
    EXPECT_EQ(model->directory, fs::canonical(directory.path()));
    EXPECT_THAT(ShardPaths(*model), ElementsAre(name));
    EXPECT_TRUE(model->other_paths.empty());
    EXPECT_FALSE(model->has_config);
    EXPECT_EQ(model->index_path, "");
  };
  check(directory / "model-1.safetensors", "model-1.safetensors");
  fs::create_directory(directory / "blobs");
  fs::rename(directory / "model-2.safetensors", directory / "blobs/0f3a");
  fs::create_symlink("blobs/0f3a", directory / "model-2.safetensors");
  check(directory / "model-2.safetensors", "model-2.safetensors");
  const fs::path before = fs::current_path();
  fs::current_path(directory.path());
  check("model-1.safetensors", "model-1.safetensors");
  fs::current_path(before);
}

TEST(SourceModel, TheHubsCacheIsMadeOfLinks) {
  const TempDir directory;
  WriteFile(directory / "blobs/1", OneTensorFile("a", "aaaa"));
  WriteFile(directory / "blobs/2", "{}");
  fs::create_directories(directory / "snapshots/main");
  fs::create_symlink("../../blobs/1", directory / "snapshots/main/model.safetensors");
  fs::create_symlink("../../blobs/2", directory / "snapshots/main/config.json");
  auto model = OpenSourceModel(directory / "snapshots/main");
  ASSERT_THAT(model, IsOk());
  EXPECT_THAT(ShardPaths(*model), ElementsAre("model.safetensors"));
  EXPECT_TRUE(model->has_config);
}

TEST(SourceModel, TheIndexMustAgreeWithTheShards) {
  const TempDir directory;
  WriteShardedModel(directory);
  const auto open_with = [&](const std::string& weight_map) {
    WriteFile(directory / kIndex, "{\"weight_map\":{" + weight_map + "}}");
    return OpenSourceModel(directory.path());
  };
  EXPECT_THAT(open_with(R"("a":"model-1.safetensors","b":"model-1.safetensors")"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(kIndex), HasSubstr("tensor \"b\""),
                             HasSubstr("it is in no shard"))));
  EXPECT_THAT(open_with(R"("a":"model-2.safetensors","b":"model-1.safetensors")"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("tensor \"a\" in \"model-2.safetensors\""),
                             HasSubstr("it is in \"model-1.safetensors\""))));
  EXPECT_THAT(
      open_with(R"("a":"model-1.safetensors","b":"model-3.safetensors")"),
      StatusIs(absl::StatusCode::kNotFound,
               AllOf(HasSubstr("model-3.safetensors\" is missing"), HasSubstr("tensor \"b\""))));
  EXPECT_THAT(open_with(R"("a":"../model-1.safetensors")"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(kIndex)));
  EXPECT_THAT(open_with(""), StatusIs(absl::StatusCode::kNotFound, HasSubstr("nothing")));
}

TEST(SourceModel, ATensorThatTheIndexForgotBelongsToTheModel) {
  const TempDir directory;
  WriteShardedModel(directory);
  WriteFile(directory / "model-1.safetensors",
            SafetensorsBytes(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                             R"("extra":{"dtype":"U8","shape":[1],"data_offsets":[4,5]}})",
                             "aaaae"));
  auto model = OpenSourceModel(directory.path());
  ASSERT_THAT(model, IsOk());
  EXPECT_EQ(model->shards[0].header.tensors.size(), 2u);
}

TEST(SourceModel, WhichIndex) {
  const TempDir directory;
  WriteShardedModel(directory);
  WriteFile(directory / "consolidated.safetensors.index.json", "not looked at");
  EXPECT_THAT(OpenSourceModel(directory.path()), IsOk());
  fs::rename(directory / kIndex, directory / "diffusion.safetensors.index.json");
  EXPECT_THAT(OpenSourceModel(directory.path()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("two indexes")));
  fs::remove(directory / "consolidated.safetensors.index.json");
  auto model = OpenSourceModel(directory.path());
  ASSERT_THAT(model, IsOk());
  EXPECT_EQ(model->index_path, "diffusion.safetensors.index.json");
}

TEST(SourceModel, OneNameInTwoShards) {
  const TempDir directory;
  WriteFile(directory / "x.safetensors", OneTensorFile("same", "1"));
  WriteFile(directory / "y.safetensors", OneTensorFile("same", "2"));
  EXPECT_THAT(OpenSourceModel(directory.path()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("tensor \"same\""), HasSubstr("x.safetensors"),
                             HasSubstr("y.safetensors"))));
}

TEST(SourceModel, ACompressedModelIsRefused) {
  const TempDir directory;
  WriteFile(directory / "m.safetensors", OneTensorFile("__ecf8__.manifest", "1"));
  for (const std::string& path : {directory.path(), directory / "m.safetensors"}) {
    EXPECT_THAT(OpenSourceModel(path),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("m.safetensors"), HasSubstr("already compressed"))));
  }
}

TEST(SourceModel, NothingToCompress) {
  const TempDir directory;
  EXPECT_THAT(OpenSourceModel(directory / "absent"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("absent")));
  EXPECT_THAT(OpenSourceModel(""),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("empty")));
  WriteFile(directory / "sub/x.safetensors", OneTensorFile("a", "1"));
  EXPECT_THAT(OpenSourceModel(directory.path()),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no .safetensors file")));
  WriteFile(directory / "bad.safetensors", "bad");
  EXPECT_THAT(OpenSourceModel(directory.path()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bad.safetensors")));
}

TEST(SourceModel, SpecialFilesAreNamed) {
  const auto expect = [](const TempDir& directory, const std::string& name) {
    EXPECT_THAT(OpenSourceModel(directory.path()),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(name)));
    ASSERT_TRUE(fs::remove(directory / name));
    EXPECT_THAT(OpenSourceModel(directory.path()), IsOk());
  };
  const TempDir directory;
  WriteShardedModel(directory);
  fs::create_directory(directory / "sub");
  ASSERT_EQ(::mkfifo((directory / "sub/fifo").c_str(), 0600), 0);
  expect(directory, "sub/fifo");
  fs::create_symlink("nowhere", directory / "dangling");
  expect(directory, "dangling");
  fs::create_symlink("loop", directory / "loop");
  expect(directory, "loop");
  fs::create_directory_symlink("sub", directory / "to-directory");
  expect(directory, "to-directory");
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string socket_path = directory / "socket";
  ASSERT_LT(socket_path.size(), sizeof(address.sun_path));
  std::copy(socket_path.begin(), socket_path.end(), address.sun_path);
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ::close(fd);
  expect(directory, "socket");
}

TEST(SourceModel, NamesThatAreNotUtf8) {
  const TempDir directory;
  WriteShardedModel(directory);
  WriteFile(directory / "bad\xFFname", "");
  EXPECT_THAT(OpenSourceModel(directory.path()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bad\\xffname")));
}

TEST(SourceModel, DepthAndCountAreBounded) {
  const TempDir directory;
  WriteShardedModel(directory);
  std::string deep;
  for (int i = 0; i < kMaxDirectoryDepth - 1; ++i) absl::StrAppend(&deep, i == 0 ? "" : "/", "d");
  WriteFile(directory / (deep + "/file"), "");
  EXPECT_THAT(OpenSourceModel(directory.path()), IsOk());
  fs::create_directory(directory / (deep + "/d"));
  EXPECT_THAT(OpenSourceModel(directory.path()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("nested deeper")));
}

TEST(SourceModel, AnUnreadableDirectory) {
  const TempDir directory;
  WriteShardedModel(directory);
  fs::permissions(directory.path(), fs::perms::all);
  fs::create_directory(directory / "closed");
  fs::permissions(directory / "closed", fs::perms::none);
  // Root reads everything, so somebody else has to try.
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
    const absl::Status status = OpenSourceModel(directory.path()).status();
    const bool as_expected = status.code() == absl::StatusCode::kPermissionDenied &&
                             status.message().find("closed") != absl::string_view::npos;
    ::_exit(as_expected ? 0 : 1);
  }
  int exit_status = -1;
  ASSERT_EQ(::waitpid(child, &exit_status, 0), child);
  EXPECT_EQ(exit_status, 0);
  fs::permissions(directory / "closed", fs::perms::owner_all);
}

TEST(SourceModel, AChangedShardIsNamed) {
  const TempDir directory;
  WriteShardedModel(directory);
  auto model = OpenSourceModel(directory.path());
  ASSERT_THAT(model, IsOk());
  WriteFile(directory / "model-2.safetensors", OneTensorFile("b", "cc"));
  EXPECT_THAT(CheckSourceUnchanged(*model),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("model-2.safetensors")));
}

}  // namespace
}  // namespace ecf8
