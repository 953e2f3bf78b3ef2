#include "loader/base/directory_events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Pair;
using Kind = DirectoryEvent::Kind;

class DirectoryEventsTest : public ::testing::Test {
 protected:
  DirectoryEventsTest() {
    events_ = *OpenDirectoryEvents();
    fs::create_directory(directory_ / "watched");
    watch_ = *events_->Watch(directory_ / "watched");
  }

  // All that has happened until now.
  std::vector<std::pair<Kind, std::string>> Read() {
    std::vector<std::pair<Kind, std::string>> read;
    while (true) {
      const auto events = events_->Read(std::chrono::steady_clock::now());
      if (events.empty()) return read;
      for (const DirectoryEvent& event : events) {
        EXPECT_EQ(event.watch, watch_);
        read.emplace_back(event.kind, event.name);
      }
    }
  }

  testing::TempDir directory_;
  std::unique_ptr<DirectoryEvents> events_;
  int watch_ = -1;
};

TEST_F(DirectoryEventsTest, TellsWhatComesChangesAndGoes) {
  EXPECT_THAT(Read(), IsEmpty());
  testing::WriteFile(directory_ / "watched/a", "x");
  EXPECT_THAT(Read(), Contains(Pair(Kind::kChanged, "a")));
  fs::rename(directory_ / "watched/a", directory_ / "a");
  EXPECT_THAT(Read(), Contains(Pair(Kind::kGone, "a")));
  fs::rename(directory_ / "a", directory_ / "watched/b");
  EXPECT_THAT(Read(), Contains(Pair(Kind::kChanged, "b")));
  fs::remove(directory_ / "watched/b");
  EXPECT_THAT(Read(), Contains(Pair(Kind::kGone, "b")));
  fs::permissions(directory_ / "watched", fs::perms::owner_all);
  EXPECT_THAT(Read(), Contains(Pair(Kind::kChanged, "")));
  fs::remove(directory_ / "watched");
  EXPECT_THAT(Read(), Contains(Pair(Kind::kEnded, "")));
}

TEST_F(DirectoryEventsTest, ADirectoryThatMovesIsAnother) {
  fs::rename(directory_ / "watched", directory_ / "elsewhere");
  EXPECT_THAT(Read(), Contains(Pair(Kind::kEnded, "")));
}

TEST_F(DirectoryEventsTest, OneDirectoryHasOneWatch) {
  fs::create_symlink("watched", directory_ / "link");
  EXPECT_EQ(*events_->Watch(directory_ / "link"), watch_);
  events_->Unwatch(watch_);
  Read();
  testing::WriteFile(directory_ / "watched/a", "x");
  EXPECT_THAT(Read(), IsEmpty());
}

TEST_F(DirectoryEventsTest, WatchesDirectoriesAlone) {
  testing::WriteFile(directory_ / "file", "x");
  EXPECT_THAT(events_->Watch(directory_ / "file"),
              StatusIs(absl::StatusCode::kNotFound, ::testing::_));
  EXPECT_THAT(events_->Watch(directory_ / "none"),
              StatusIs(absl::StatusCode::kNotFound, ::testing::_));
}

TEST_F(DirectoryEventsTest, StopEndsAWait) {
  std::thread reader([&] { EXPECT_THAT(events_->Read(std::nullopt), IsEmpty()); });
  events_->Stop();
  reader.join();
  testing::WriteFile(directory_ / "watched/a", "x");
  EXPECT_THAT(events_->Read(std::nullopt), IsEmpty());
}

}  // namespace
}  // namespace ecf8
