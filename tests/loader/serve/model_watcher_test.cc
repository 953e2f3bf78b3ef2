#include "loader/serve/model_watcher.h"

#include <fcntl.h>
#include <stdio.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>
#include <vector>

#include "loader/base/mutex.h"
#include "loader/model/error_info.h"
#include "tests/loader/serve/served_models.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::Within20s;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The kernel's events, which may be lost.
class LossyEvents final : public DirectoryEvents {
 public:
  // From here on events are lost, until Resume tells so.
  void Lose() { losing_ = true; }
  void Resume() {
    losing_ = false;
    lost_ = true;
    testing::WriteFile(nudged_ + "/.nudge", "x");  // so that Read returns
  }

  absl::StatusOr<int> Watch(const std::string& path) override {
    if (nudged_.empty()) nudged_ = path;
    return events_->Watch(path);
  }
  void Unwatch(int watch) override { events_->Unwatch(watch); }
  std::vector<DirectoryEvent> Read(
      std::optional<std::chrono::steady_clock::time_point> deadline) override {
    std::vector<DirectoryEvent> events = events_->Read(deadline);
    if (losing_) {
      for (DirectoryEvent& event : events) event = {};  // of no watch
    } else if (lost_.exchange(false)) {
      events.push_back({DirectoryEvent::Kind::kLost, -1, ""});
    }
    return events;
  }
  void Stop() override { events_->Stop(); }

 private:
  const std::unique_ptr<DirectoryEvents> events_ = *OpenDirectoryEvents();
  std::atomic<bool> losing_ = false;
  std::atomic<bool> lost_ = false;
  std::string nudged_;
};

class ModelWatcherTest : public testing::ServedModelsTest {
 protected:
  // Started by the test, when what is to be there at the start is.
  void Start(std::unique_ptr<DirectoryEvents> events = *OpenDirectoryEvents()) {
    WatchNews news;
    news.on_added = [this](const CompressedModel& model) { Hear("+" + model.name()); };
    news.on_removed = [this](std::string_view name) { Hear("-" + std::string(name)); };
    news.on_problem = [this](const absl::Status& status) {
      MutexLock lock(mutex_);
      problems_.push_back(status);
    };
    auto watcher = ModelWatcher::Start(*ModelRoots::Open({root_, other_root_}), models_,
                                       std::move(events), std::move(news));
    ASSERT_THAT(watcher, IsOk());
    watcher_ = *std::move(watcher);
  }
  ModelWatcherTest() { fs::create_directory(other_root_); }

  void Hear(const std::string& news) {
    MutexLock lock(mutex_);
    news_.push_back(news);
  }
  std::vector<std::string> news() const {
    MutexLock lock(mutex_);
    return news_;
  }
  std::vector<absl::Status> problems() const {
    MutexLock lock(mutex_);
    return problems_;
  }
  bool Serves(const std::string& name, const std::string& made) const {
    const std::string digest = DigestOf(made);
    return Within20s([&] {
      const ServedModel model = models_.Find(name);
      return model != nullptr && model->model()->digest() == digest;
    });
  }
  bool ServesNo(const std::string& name) const {
    return Within20s([&] { return models_.Find(name) == nullptr; });
  }
  // Whatever happened before was looked at: the watcher sees this last.
  void Settle() {
    Put("one", "zz");
    ASSERT_TRUE(Serves("zz", "one"));
    Take("zz");
    ASSERT_TRUE(ServesNo("zz"));
  }
  std::string ShardOf(const std::string& name) const {
    return OpenInRoot(name)->shards()[0].file.path();
  }

  const std::string other_root_ = root_ + "2";
  ModelSet models_{*engine_, nullptr, 3};
  mutable Mutex mutex_;
  std::vector<std::string> news_ ABSL_GUARDED_BY(mutex_);
  std::vector<absl::Status> problems_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<ModelWatcher> watcher_;
};

TEST_F(ModelWatcherTest, ServesWhatIsThereAtTheStart) {
  Put("one", "a");
  Put("two", ".hidden");
  fs::create_directory(root_ + "/empty");
  testing::WriteFile(root_ + "/file", "x");
  Start();
  EXPECT_NE(models_.Find("a"), nullptr);
  EXPECT_EQ(models_.models().size(), 1u);
  EXPECT_THAT(news(), ElementsAre("+a"));
  EXPECT_THAT(problems(), IsEmpty());
}

TEST_F(ModelWatcherTest, WhatAppearsIsAddedAndWhatVanishesIsRemoved) {
  Start();
  Put("one", "a");
  EXPECT_TRUE(Serves("a", "one"));
  Put("two", "b");
  EXPECT_TRUE(Serves("b", "two"));
  fs::remove_all(root_ + "/a");
  EXPECT_TRUE(ServesNo("a"));
  fs::rename(root_ + "/b", root_ + "/c");
  EXPECT_TRUE(Serves("c", "two"));
  EXPECT_TRUE(ServesNo("b"));
  EXPECT_THAT(problems(), IsEmpty());
}

TEST_F(ModelWatcherTest, ADirectoryThatIsReplacedIsServedAnew) {
  Put("one", "a");
  Start();
  const uint32_t first = models_.Find("a")->number();
  fs::copy(*made_ / "two", directory_ / "staged");
  // As `ecf8 compress --replace` does it.
  ASSERT_EQ(renameat2(AT_FDCWD, (directory_ / "staged").c_str(), AT_FDCWD, (root_ + "/a").c_str(),
                      RENAME_EXCHANGE),
            0);
  EXPECT_TRUE(Serves("a", "two"));
  fs::remove_all(directory_ / "staged");
  // Also where the weights are the same: the files that are open are those of a deleted directory.
  const uint32_t second = models_.Find("a")->number();
  Take("a");
  Put("two", "a");
  EXPECT_TRUE(Within20s([&] {
    const ServedModel model = models_.Find("a");
    return model != nullptr && model->number() > second;
  }));
  EXPECT_GT(second, first);
}

TEST_F(ModelWatcherTest, AModelThatIsCopiedInFileByFileIsServedWhenItIsComplete) {
  Start();
  const std::string shard = testing::OpenModel(*made_ / "two")->shards()[0].file_name;
  const std::string bytes = testing::ReadFile(*made_ / ("two/" + shard));
  fs::create_directory(root_ + "/a");
  testing::WriteFile(root_ + "/a/" + shard, bytes.substr(0, bytes.size() / 2));
  ASSERT_TRUE(Within20s([&] { return !problems().empty(); }));
  EXPECT_THAT(problems()[0], StatusIs(absl::StatusCode::kDataLoss, HasSubstr(root_ + "/a is not")));
  testing::WriteFile(root_ + "/a/" + shard, bytes.substr(0, bytes.size() - 1));
  Settle();
  EXPECT_EQ(problems().size(), 1u) << "told twice";
  testing::WriteFile(root_ + "/a/" + shard, bytes);
  EXPECT_TRUE(Serves("a", "two"));
}

TEST_F(ModelWatcherTest, WhatIsDamagedWhileItIsServedIsServedNoMore) {
  Put("one", "a");
  Start();
  const std::string shard = ShardOf("a");
  const std::string bytes = testing::ReadFile(shard);
  testing::WriteFile(shard, "no shard");
  EXPECT_TRUE(ServesNo("a"));
  EXPECT_EQ(problems().size(), 1u);
  testing::WriteFile(shard, bytes);
  EXPECT_TRUE(Serves("a", "one"));
  fs::remove(shard);
  EXPECT_TRUE(ServesNo("a"));
  EXPECT_EQ(problems().size(), 1u) << "a directory without a model is nothing to tell";
}

TEST_F(ModelWatcherTest, WhatAClientRemovedStaysRemovedUntilItIsAnother) {
  Put("one", "a");
  Start();
  ASSERT_THAT(models_.Remove("a"), IsOk());
  testing::WriteFile(root_ + "/a/note.txt", "x");
  Settle();
  EXPECT_EQ(models_.Find("a"), nullptr);
  Take("a");
  Settle();
  Put("one", "a");
  EXPECT_TRUE(Serves("a", "one"));
}

TEST_F(ModelWatcherTest, AModelFromElsewhereIsLeftAlone) {
  fs::copy(*made_ / "two", directory_ / "a");
  ASSERT_THAT(models_.Add(testing::OpenModel(directory_ / "a")), IsOk());
  Put("one", "a");
  Start();
  EXPECT_TRUE(Serves("a", "two"));
  ASSERT_EQ(problems().size(), 1u);
  EXPECT_TRUE(absl::IsAlreadyExists(problems()[0])) << problems()[0];
  Take("a");
  Settle();
  EXPECT_TRUE(Serves("a", "two"));
}

TEST_F(ModelWatcherTest, AnotherRootsModelComesToItsTurn) {
  Put("one", "a");
  fs::copy(*made_ / "two", other_root_ + "/a");
  Start();
  EXPECT_TRUE(Serves("a", "one"));
  Take("a");
  EXPECT_TRUE(Serves("a", "two"));
}

TEST_F(ModelWatcherTest, LinksAreFollowedWithinARoot) {
  Start();
  Put("one", "a");
  fs::create_symlink("a", root_ + "/b");
  EXPECT_TRUE(Serves("b", "one"));
  fs::create_symlink(*made_ / "two", root_ + "/c");
  Settle();
  EXPECT_EQ(models_.Find("c"), nullptr);
  ASSERT_EQ(problems().size(), 1u);
  EXPECT_TRUE(absl::IsPermissionDenied(problems()[0])) << problems()[0];
  Take("a");  // and the link leads nowhere
  EXPECT_TRUE(ServesNo("a"));
  EXPECT_TRUE(ServesNo("b"));
}

TEST_F(ModelWatcherTest, MoreThanMaxModelsAreToldOnce) {
  for (const std::string name : {"a", "b", "c", "d"}) Put("one", name);
  Start();
  EXPECT_EQ(models_.models().size(), 3u);
  ASSERT_EQ(problems().size(), 1u);
  EXPECT_TRUE(absl::IsResourceExhausted(problems()[0])) << problems()[0];
}

TEST_F(ModelWatcherTest, AfterLostEventsItLooksAtAll) {
  Put("one", "a");
  Put("one", "b");
  auto events = std::make_unique<LossyEvents>();
  LossyEvents& lossy = *events;
  Start(std::move(events));
  ASSERT_THAT(models_.Remove("b"), IsOk());
  lossy.Lose();
  Take("a");
  Put("two", "c");
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_NE(models_.Find("a"), nullptr);
  EXPECT_EQ(models_.Find("c"), nullptr);
  lossy.Resume();
  EXPECT_TRUE(ServesNo("a"));
  EXPECT_TRUE(Serves("c", "two"));
  EXPECT_EQ(models_.Find("b"), nullptr) << "a client had removed it";
}

TEST_F(ModelWatcherTest, ARootThatIsGoneTakesItsModelsWithIt) {
  Put("one", "a");
  Start();
  fs::copy(*made_ / "two", other_root_ + "/b");
  EXPECT_TRUE(Serves("b", "two"));
  fs::rename(root_, directory_ / "gone");
  EXPECT_TRUE(ServesNo("a"));
  ASSERT_FALSE(problems().empty());
  EXPECT_THAT(std::string(problems()[0].message()), HasSubstr("is gone"));
  EXPECT_NE(models_.Find("b"), nullptr);
}

TEST_F(ModelWatcherTest, EndsWhileMuchHappens) {
  Start();
  for (int i = 0; i < 200; ++i) testing::WriteFile(root_ + "/a" + std::to_string(i) + "/x", "x");
  Put("one", "b");
  watcher_.reset();
}

}  // namespace
}  // namespace ecf8
