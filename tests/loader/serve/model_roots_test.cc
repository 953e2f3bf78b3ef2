#include "loader/serve/model_roots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "loader/model/error_info.h"
#include "tests/support/small_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// "a" lies in a root, "outside" beside it.
class ModelRootsTest : public ::testing::Test {
 protected:
  ModelRootsTest() {
    fs::create_directory(root_);
    testing::MakeCompressedModel(root_, "a", {.layers = 1, .projection_rows = 4});
    testing::MakeCompressedModel(directory_.path(), "outside", {.layers = 1, .projection_rows = 4});
    roots_ = *ModelRoots::Open({root_});
  }

  // The error of a name, which is never told with a path.
  void ExpectRefused(const std::string& name, absl::StatusCode code, ErrorReason reason) const {
    const auto model = roots_.OpenModel(name);
    ASSERT_THAT(model, StatusIs(code, Not(HasSubstr(directory_.path())))) << name;
    EXPECT_EQ(GetErrorInfo(model.status())->reason, reason) << name;
  }

  // The one shard of a model.
  static std::string ShardOf(const std::string& model) {
    for (const auto& entry : fs::directory_iterator(model)) {
      if (entry.path().extension() == ".safetensors") return entry.path().string();
    }
    return {};
  }

  testing::TempDir directory_;
  const std::string root_ = directory_ / "root";
  ModelRoots roots_;
};

TEST_F(ModelRootsTest, OpensAModelByItsName) {
  const auto model = roots_.OpenModel("a");
  ASSERT_THAT(model, IsOk());
  EXPECT_EQ((*model)->name(), "a");
  EXPECT_EQ((*model)->directory(), roots_.paths()[0] + "/a");
  EXPECT_EQ((*model)->digest(), testing::OpenModel(root_ + "/a")->digest());
}

TEST_F(ModelRootsTest, ANameIsNoPath) {
  for (const std::string name :
       {"", ".", "..", "../outside", "a/", "./a", "/etc", "a/../a", ".a", "a\n", "\xFF"}) {
    ExpectRefused(name, absl::StatusCode::kInvalidArgument, ErrorReason::kBadRequest);
  }
  ExpectRefused(std::string("a\0b", 3), absl::StatusCode::kInvalidArgument,
                ErrorReason::kBadRequest);
  ExpectRefused(std::string(300, 'a'), absl::StatusCode::kInvalidArgument,
                ErrorReason::kBadRequest);
}

TEST_F(ModelRootsTest, WhatIsNotThereOrNoModel) {
  testing::WriteFile(root_ + "/file", "x");
  fs::create_directory(root_ + "/empty");
  for (const std::string name : {"none", "file", "empty", "a.plain"}) {
    ExpectRefused(name, absl::StatusCode::kNotFound, ErrorReason::kModelNotFound);
  }
  EXPECT_THAT(ModelRoots().OpenModel("a"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("a")));
}

TEST_F(ModelRootsTest, LinksWithinTheRootAreFollowed) {
  fs::create_directory(root_ + "/linked");
  fs::create_symlink("a", root_ + "/b");
  const std::string shard = ShardOf(root_ + "/a");
  const std::string file_name = fs::path(shard).filename().string();
  fs::create_symlink("../a/" + file_name, root_ + "/linked/" + file_name);
  for (const std::string name : {"b", "linked"}) {
    const auto model = roots_.OpenModel(name);
    ASSERT_THAT(model, IsOk());
    EXPECT_EQ((*model)->name(), name);
  }
}

TEST_F(ModelRootsTest, NoLinkLeadsOut) {
  fs::create_symlink("../outside", root_ + "/link");
  fs::create_symlink(directory_ / "outside", root_ + "/absolute");
  for (const std::string name : {"link", "absolute"}) {
    ExpectRefused(name, absl::StatusCode::kPermissionDenied, ErrorReason::kReadFailed);
  }
  // A directory within, whose shard lies outside.
  const std::string shard = ShardOf(directory_ / "outside");
  const std::string file_name = fs::path(shard).filename().string();
  fs::create_directory(root_ + "/shard");
  fs::create_symlink(shard, root_ + "/shard/" + file_name);
  ExpectRefused("shard", absl::StatusCode::kPermissionDenied, ErrorReason::kReadFailed);
}

TEST_F(ModelRootsTest, DamageIsToldAsSuch) {
  const std::string shard = ShardOf(root_ + "/a");
  fs::resize_file(shard, fs::file_size(shard) - 5);
  ExpectRefused("a", absl::StatusCode::kDataLoss, ErrorReason::kCorruptData);
}

TEST_F(ModelRootsTest, AMissingShardIsDamage) {
  testing::MakeCompressedModel(root_, "two",
                               {.layers = 4, .projection_rows = 200, .shard_size_bytes = 300'000});
  std::string last;
  for (const auto& entry : fs::directory_iterator(root_ + "/two")) {
    if (entry.path().extension() == ".safetensors") last = std::max(last, entry.path().string());
  }
  fs::remove(last);
  ExpectRefused("two", absl::StatusCode::kDataLoss, ErrorReason::kCorruptData);
}

TEST_F(ModelRootsTest, AnUnreadableDirectoryIsNoOneElsesBusiness) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything; daemon_models_test is another";
  ASSERT_EQ(chmod((root_ + "/a").c_str(), 0), 0);
  ExpectRefused("a", absl::StatusCode::kPermissionDenied, ErrorReason::kReadFailed);
  chmod((root_ + "/a").c_str(), 0700);
}

TEST_F(ModelRootsTest, TheFirstRootThatHasItCounts) {
  fs::create_directories(directory_ / "first/a");
  EXPECT_THAT(ModelRoots::Open({directory_ / "first", root_})->OpenModel("a"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
  EXPECT_THAT(ModelRoots::Open({root_, directory_ / "first"})->OpenModel("a"), IsOk());
}

TEST_F(ModelRootsTest, RootsAreDirectories) {
  EXPECT_THAT(ModelRoots::Open({directory_ / "none"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
  testing::WriteFile(directory_ / "file", "x");
  EXPECT_THAT(ModelRoots::Open({directory_ / "file"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no directory")));
  fs::create_symlink("root", directory_ / "same");
  EXPECT_THAT(ModelRoots::Open({root_, directory_ / "same"})->paths(),
              ElementsAre(fs::canonical(root_).string()));
}

}  // namespace
}  // namespace ecf8
