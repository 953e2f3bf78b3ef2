#include "loader/base/trace_event_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>

#include "nlohmann/json.hpp"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::_;
using ::testing::HasSubstr;
using Json = nlohmann::json;

class TraceEventFileTest : public ::testing::Test {
 protected:
  std::unique_ptr<TraceEventFile> Create(uint64_t limit_bytes = 1 << 20) {
    auto file = TraceEventFile::Create(path_, limit_bytes);
    EXPECT_THAT(file, IsOk());
    return *std::move(file);
  }
  Json Parse(const std::string& ending = "") const {
    return Json::parse(testing::ReadFile(path_) + ending, nullptr, false);
  }

  testing::TempDir directory_;
  const std::string path_ = directory_ / "trace.json";
};

TEST_F(TraceEventFileTest, HoldsWhatWasAdded) {
  const auto file = Create();
  file->NameTrack({2, 7}, "disk", "lane 7");
  file->AddSpan({2, 7}, "layers.0", 1'234'567'891, 1'234'567'891'000,
                {{"size_bytes", 42}, {"form", "stored"}});
  file->AddInstant({3, 0}, "asked", 1005, {});
  ASSERT_THAT(file->Close(), IsOk());
  EXPECT_EQ(file->info().events, 6u);
  EXPECT_EQ(file->info().left_out, 0u);
  const Json events = Parse();
  ASSERT_EQ(events.size(), 6u) << testing::ReadFile(path_);
  EXPECT_EQ(events[0], Json::parse(R"({"ph": "M", "pid": 2, "tid": 7, "name": "process_name",
                                       "args": {"name": "disk"}})"));
  EXPECT_EQ(events[2]["args"]["name"], "lane 7");
  EXPECT_EQ(events[4],
            Json::parse(R"({"ph": "X", "pid": 2, "tid": 7, "name": "layers.0", "ts": 1234567.891,
                            "dur": 1233333323.109,
                            "args": {"size_bytes": 42, "form": "stored"}})"));
  EXPECT_EQ(events[5], Json::parse(R"({"ph": "i", "pid": 3, "tid": 0, "name": "asked", "s": "t",
                                       "ts": 1.005})"));
}

TEST_F(TraceEventFileTest, NamesMayHoldAnything) {
  const std::string name = "a\"b\\c\nd\x01\x1f\xc3\xa9";
  const auto file = Create();
  file->AddInstant({}, name, 0, {{"k", name}});
  ASSERT_THAT(file->Close(), IsOk());
  const Json events = Parse();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]["name"], name);
  EXPECT_EQ(events[0]["args"]["k"], name);
}

TEST_F(TraceEventFileTest, WithoutAnEventItIsEmpty) {
  ASSERT_THAT(Create()->Close(), IsOk());
  EXPECT_EQ(Parse(), Json::array());
}

TEST_F(TraceEventFileTest, IsWrittenMeanwhileAndGoodWithoutItsEnd) {
  const auto file = Create();
  for (int i = 0; i < 1000; ++i) file->AddInstant({}, "event", i, {});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (Parse("]").size() != 1000 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(Parse("]").size(), 1000u);
  EXPECT_TRUE(Parse().is_discarded());  // it has no end yet
}

TEST_F(TraceEventFileTest, BeyondItsLimitNothingIsAddedButCounted) {
  const auto file = Create(/*limit_bytes=*/10'000);
  for (int i = 0; i < 1000; ++i) file->AddInstant({}, "event", i, {});
  ASSERT_THAT(file->Close(), IsOk());
  EXPECT_LE(testing::ReadFile(path_).size(), 10'300u);
  EXPECT_GE(testing::ReadFile(path_).size(), 9'000u);
  const TraceEventFile::Info info = file->info();
  EXPECT_GT(info.left_out, 0u);
  EXPECT_EQ(info.events + info.left_out, 1000u);
  EXPECT_EQ(Parse().size(), info.events);
}

TEST_F(TraceEventFileTest, AFileThatIsThereStays) {
  testing::WriteFile(path_, "mine");
  EXPECT_THAT(TraceEventFile::Create(path_, 1 << 20),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("trace.json")));
  EXPECT_EQ(testing::ReadFile(path_), "mine");
}

// What a full disk does, by the limit of a process on its files.
TEST_F(TraceEventFileTest, AFullDiskIsToldAtTheEnd) {
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small = {.rlim_cur = 4096, .rlim_max = before.rlim_max};
  const auto file = Create();
  setrlimit(RLIMIT_FSIZE, &small);
  for (int i = 0; i < 1000; ++i) file->AddInstant({}, "event", i, {});
  const absl::Status status = file->Close();
  const uint64_t left_out = file->info().left_out;  // what came after the writer had met the end
  file->AddInstant({}, "late", 0, {});
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_DFL);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("trace.json")));
  EXPECT_EQ(file->info().left_out, left_out + 1);
}

}  // namespace
}  // namespace ecf8
