#include "loader/base/staged_directory.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::ReadFile;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::TempDir;
using ::ecf8::testing::WriteFile;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::vector<std::string> Names(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(StagedDirectory, AppearsAtCommitOnly) {
  const TempDir parent;
  {
    auto staged = StagedDirectory::Create(parent / "model", false);
    ASSERT_THAT(staged, IsOk());
    WriteFile(staged->path() + "/sub/deep/file", "bytes");
    EXPECT_FALSE(fs::exists(parent / "model"));
    ASSERT_EQ(Names(parent.path()).size(), 1u);
    EXPECT_THAT(Names(parent.path())[0], StartsWith(".model.ecf8-"));
    ASSERT_THAT(staged->Commit(), IsOk());
  }
  EXPECT_THAT(Names(parent.path()), ElementsAre("model"));
  EXPECT_EQ(ReadFile(parent / "model/sub/deep/file"), "bytes");
}

TEST(StagedDirectory, ResumeFindsWhatWasKept) {
  const TempDir parent;
  {
    auto staged = StagedDirectory::Resume(parent / "model", false);
    ASSERT_THAT(staged, IsOk());
    EXPECT_EQ(staged->path(), parent / ".model.ecf8-partial");
    WriteFile(staged->path() + "/file", "bytes");
    staged->Keep();
  }
  EXPECT_THAT(Names(parent.path()), ElementsAre(".model.ecf8-partial"));
  // Neither does a Create for the same destination take it for a stale one.
  EXPECT_THAT(StagedDirectory::Create(parent / "model", false), IsOk());
  { EXPECT_THAT(StagedDirectory::Resume(parent / "model", false), IsOk()); }
  auto staged = StagedDirectory::Resume(parent / "model", false);
  ASSERT_THAT(staged, IsOk());
  EXPECT_EQ(ReadFile(staged->path() + "/file"), "bytes");
  ASSERT_THAT(staged->Commit(), IsOk());
  EXPECT_THAT(Names(parent.path()), ElementsAre("model"));
}

TEST(StagedDirectory, ResumeLeavesNothingThatWasNotKept) {
  const TempDir parent;
  { EXPECT_THAT(StagedDirectory::Resume(parent / "model", false), IsOk()); }
  EXPECT_THAT(Names(parent.path()), IsEmpty());
}

TEST(StagedDirectory, ResumeIsOneAtATime) {
  const TempDir parent;
  const auto staged = StagedDirectory::Resume(parent / "model", false);
  ASSERT_THAT(staged, IsOk());
  EXPECT_THAT(StagedDirectory::Resume(parent / "model", false),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another process")));
}

TEST(StagedDirectory, ResumeTakesNoLinkAndNoFile) {
  const TempDir parent;
  fs::create_directory(parent / "elsewhere");
  fs::create_symlink(parent / "elsewhere", parent / ".model.ecf8-partial");
  WriteFile(parent / ".other.ecf8-partial", "");
  for (const char* name : {"model", "other"}) {
    EXPECT_THAT(StagedDirectory::Resume(parent / name, false),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no directory")));
  }
}

TEST(StagedDirectory, ResumeTakesNoOtherUsersDirectory) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to give a directory away";
  const TempDir parent;
  fs::create_directory(parent / ".model.ecf8-partial");
  ASSERT_EQ(::chown((parent / ".model.ecf8-partial").c_str(), 65534, 65534), 0);
  EXPECT_THAT(StagedDirectory::Resume(parent / "model", false),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another user's")));
}

TEST(StagedDirectory, HasTheModeOfAnOrdinaryDirectory) {
  const TempDir parent;
  const mode_t old_mask = ::umask(022);
  auto staged = StagedDirectory::Create(parent / "model", false);
  ::umask(old_mask);
  ASSERT_THAT(staged, IsOk());
  ASSERT_THAT(staged->Commit(), IsOk());
  struct stat stat {};
  ASSERT_EQ(::stat((parent / "model").c_str(), &stat), 0);
  EXPECT_EQ(stat.st_mode & 07777, 0755u);
}

TEST(StagedDirectory, WithoutACommitNothingStays) {
  const TempDir parent;
  {
    auto staged = StagedDirectory::Create(parent / "model", false);
    ASSERT_THAT(staged, IsOk());
    WriteFile(staged->path() + "/sub/file", "bytes");
    const StagedDirectory moved = *std::move(staged);  // the one that is moved from removes nothing
    EXPECT_TRUE(fs::exists(moved.path() + "/sub/file"));
  }
  EXPECT_THAT(Names(parent.path()), IsEmpty());
}

TEST(StagedDirectory, DoesNotTouchAnExistingDestination) {
  const TempDir parent;
  WriteFile(parent / "model/old", "old");
  EXPECT_THAT(StagedDirectory::Create(parent / "model", false),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("model")));
  WriteFile(parent / "file", "a file");
  EXPECT_THAT(StagedDirectory::Create(parent / "file", true),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not a directory")));
  fs::create_directory_symlink(parent / "model", parent / "link");
  EXPECT_THAT(StagedDirectory::Create(parent / "link", true),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not a directory")));
  EXPECT_THAT(Names(parent.path()), ElementsAre("file", "link", "model"));
  EXPECT_EQ(ReadFile(parent / "model/old"), "old");
}

TEST(StagedDirectory, ADestinationThatAppearsMeanwhileStays) {
  const TempDir parent;
  for (const char* inside : {"model/theirs", ""}) {  // an empty one would be replaced by rename
    auto staged = StagedDirectory::Create(parent / "model", false);
    ASSERT_THAT(staged, IsOk());
    fs::create_directory(parent / "model");
    if (*inside != '\0') WriteFile(parent / inside, "theirs");
    EXPECT_THAT(staged->Commit(), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("model")));
    EXPECT_EQ(fs::is_empty(parent / "model"), *inside == '\0');
    fs::remove_all(parent / "model");
  }
  EXPECT_THAT(Names(parent.path()), IsEmpty());
}

TEST(StagedDirectory, ReplacesTheOldOneAtCommit) {
  const TempDir parent;
  WriteFile(parent / "model/old", "old");
  {
    auto abandoned = StagedDirectory::Create(parent / "model", true);
    ASSERT_THAT(abandoned, IsOk());
    WriteFile(abandoned->path() + "/new", "half");
  }
  EXPECT_THAT(Names(parent / "model"), ElementsAre("old"));
  auto staged = StagedDirectory::Create(parent / "model", true);
  ASSERT_THAT(staged, IsOk());
  WriteFile(staged->path() + "/new", "new");
  EXPECT_EQ(ReadFile(parent / "model/old"), "old");
  ASSERT_THAT(staged->Commit(), IsOk());
  EXPECT_THAT(Names(parent.path()), ElementsAre("model"));
  EXPECT_THAT(Names(parent / "model"), ElementsAre("new"));
}

TEST(StagedDirectory, ReplaceWithoutAnOldOneJustCreates) {
  const TempDir parent;
  auto staged = StagedDirectory::Create(parent / "model", true);
  ASSERT_THAT(staged, IsOk());
  ASSERT_THAT(staged->Commit(), IsOk());
  EXPECT_THAT(Names(parent.path()), ElementsAre("model"));
}

TEST(StagedDirectory, TakesPathsAsPeopleWriteThem) {
  const TempDir parent;
  const std::string old_directory = fs::current_path().string();
  for (const std::string& destination : {parent / "a//", std::string("b"), std::string("./c/")}) {
    fs::current_path(parent.path());
    auto staged = StagedDirectory::Create(destination, false);
    ASSERT_THAT(staged, IsOk()) << destination;
    fs::current_path("/");  // a relative path is taken where Create was called
    ASSERT_THAT(staged->Commit(), IsOk()) << destination;
  }
  fs::current_path(old_directory);
  EXPECT_THAT(Names(parent.path()), ElementsAre("a", "b", "c"));
}

TEST(StagedDirectory, BadDestinations) {
  const TempDir parent;
  for (const std::string& bad :
       {std::string(), std::string("/"), std::string("///"), std::string("."), parent / ".",
        parent / "x/..", parent / std::string("a\0b", 3)}) {
    EXPECT_THAT(StagedDirectory::Create(bad, true),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("does not name")))
        << bad;
  }
  EXPECT_THAT(StagedDirectory::Create(parent / "absent/model", false),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("no directory \"" + (parent / "absent") + "\"")));
  WriteFile(parent / "file", "");
  EXPECT_THAT(StagedDirectory::Create(parent / "file/model", false),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("there is no directory")));
  EXPECT_THAT(Names(parent.path()), ElementsAre("file"));
}

TEST(StagedDirectory, ALongNameFits) {
  const TempDir parent;
  const std::string name(255, 'n');
  auto staged = StagedDirectory::Create(parent / name, false);
  ASSERT_THAT(staged, IsOk());
  ASSERT_THAT(staged->Commit(), IsOk());
  EXPECT_THAT(Names(parent.path()), ElementsAre(name));
}

TEST(StagedDirectory, WhatAKilledProcessLeftIsRemovedTheNextTime) {
  const TempDir parent;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto staged = StagedDirectory::Create(parent / "model", false);
    if (!staged.ok()) ::_exit(1);
    WriteFile(staged->path() + "/half", "bytes");
    ::_exit(0);  // runs no destructor
  }
  int exit_status = -1;
  ASSERT_EQ(::waitpid(child, &exit_status, 0), child);
  ASSERT_EQ(exit_status, 0);
  ASSERT_EQ(Names(parent.path()).size(), 1u);
  const std::string left = Names(parent.path())[0];

  // Of another destination; not of a staging directory's name; alive.
  fs::create_directory(parent / ".other.ecf8-abcdef");
  fs::create_directory(parent / ".model.ecf8-abcdef.old");
  auto alive = StagedDirectory::Create(parent / "model", false);
  ASSERT_THAT(alive, IsOk());
  EXPECT_FALSE(fs::exists(parent / left));
  auto second = StagedDirectory::Create(parent / "model", false);
  ASSERT_THAT(second, IsOk());
  EXPECT_TRUE(fs::exists(alive->path()));
  EXPECT_TRUE(fs::exists(parent / ".other.ecf8-abcdef"));
  EXPECT_TRUE(fs::exists(parent / ".model.ecf8-abcdef.old"));
  EXPECT_NE(alive->path(), second->path());

  // The first to commit wins.
  EXPECT_THAT(second->Commit(), IsOk());
  EXPECT_THAT(alive->Commit(), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("model")));
}

}  // namespace
}  // namespace ecf8
