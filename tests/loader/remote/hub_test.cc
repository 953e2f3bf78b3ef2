// Repositories of the hub, from a server that speaks its API.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <memory>
#include <string>
#include <vector>

#include "loader/remote/hub_json.h"
#include "loader/remote/hub_layout.h"
#include "loader/remote/open_source.h"
#include "loader/remote/pull.h"
#include "tests/support/model_server.h"
#include "tests/support/small_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_model.h"

namespace ecf8 {
namespace {

using absl::StatusCode;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::ModelServer;
using ::ecf8::testing::StatusIs;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kCommit[] = "0123456789abcdef0123456789abcdef01234567";

TEST(HubAddress, IsRepositoryAndRevision) {
  EXPECT_EQ(*ParseHubAddress("hf://org/model"), (HubAddress{"org/model", "main"}));
  EXPECT_EQ(*ParseHubAddress("hf://gpt2"), (HubAddress{"gpt2", "main"}));
  EXPECT_EQ(*ParseHubAddress("hf://a-b/c_d.1@refs/pr/3"), (HubAddress{"a-b/c_d.1", "refs/pr/3"}));
  for (const char* text : {"hf://", "hf:///", "hf://a/", "hf:///b", "hf://a/b/c", "hf://a/..",
                           "hf://a/b@", "hf://a b/c", "hf://a/b?c", "https://a/b", "hf://a%2fb"}) {
    EXPECT_THAT(ParseHubAddress(text), StatusIs(StatusCode::kInvalidArgument, _)) << text;
  }
}

TEST(HubJson, Commits) {
  const std::string json = std::string(R"({"id": "a/b", "siblings": [{"sha": "x"}], "n": -1.5, )") +
                           R"("sha": ")" + kCommit + R"(", "private": false})";
  EXPECT_EQ(*ParseHubCommit(json), kCommit);
  for (const char* other : {"", "[]", "{}", R"({"sha": 1})", R"({"sha": "main"})",
                            R"({"sha": "../../../../../../../../../../../../etc/"})",
                            R"({"x": {"sha": "0123456789abcdef0123456789abcdef01234567"}})"}) {
    EXPECT_THAT(ParseHubCommit(other), StatusIs(StatusCode::kInvalidArgument, _)) << other;
  }
}

TEST(HubJson, Trees) {
  EXPECT_THAT(*ParseHubTree(R"([
      {"type": "directory", "path": "d", "oid": "1"},
      {"type": "file", "path": "d/a", "size": 3, "lfs": {"path": "no", "type": "x"}},
      {"path": "b", "size": 0, "type": "file", "lastCommit": null}])"),
              ElementsAre("d/a", "b"));
  EXPECT_THAT(*ParseHubTree("[]"), IsEmpty());
  for (const char* other :
       {"", "{}", "[", R"([{"type": "file"}])", R"([{"type": "file", "path": "../x"}])",
        R"([{"type": "file", "path": "/x"}])", R"([], "more": [])", "[]]"}) {
    EXPECT_THAT(ParseHubTree(other), Not(IsOk())) << other;
  }
}

class HubTest : public ::testing::Test {
 protected:
  HubTest() {
    testing::WritePlainModel(directory_ / "plain", {.layers = 2});
    for (const char* name : {"a.txt", "b.txt", "tokenizer/c.txt", "tokenizer/d.txt"}) {
      testing::WriteFile(directory_ / "plain/" + name, testing::NoiseBytes(5000, 3));
    }
    JobOptions job;
    job.shard_size_bytes = 3'000'000;
    std::filesystem::create_directories(directory_ / "hub/org");
    EXPECT_THAT(CompressModel(directory_ / "plain", directory_ / "hub/org/model", job), IsOk());
    server_ = std::make_unique<ModelServer>(directory_ / "hub",
                                            std::vector<std::string>{"--hub", "--token", "sesame"});
    options_.http.retry = {.attempts = 3, .budget = 20, .first_ms = 1, .longest_ms = 4};
    Set("HF_ENDPOINT", server_->Url());
    Set("HF_HOME", directory_ / "home");
    Set("HF_TOKEN_PATH", "");
    Set("HF_TOKEN", "");
  }
  ~HubTest() override {
    for (const char* name : {"HF_ENDPOINT", "HF_HOME", "HF_TOKEN_PATH", "HF_TOKEN"}) unsetenv(name);
  }

  static void Set(const char* name, const std::string& value) { setenv(name, value.c_str(), 1); }

  absl::Status Pull(const std::string& address) {
    auto source = OpenObjectSource(address, options_);
    if (!source.ok()) return source.status();
    return PullModel(**source, directory_ / "pulled", {.replace = true}).status();
  }

  testing::TempDir directory_;
  std::unique_ptr<ModelServer> server_;
  SourceOptions options_;
};

TEST_F(HubTest, BringsARepository) {
  Set("HF_TOKEN", "sesame");
  ASSERT_THAT(Pull("hf://org/model"), IsOk());
  testing::ExpectSameFiles(directory_ / "pulled", directory_ / "hub/org/model");
  // A branch is asked for once; the token goes where it belongs.
  bool has_pages = false;
  for (const std::string& line : server_->Log()) {
    SCOPED_TRACE(line);
    if (line.find("/revision/") == std::string::npos) {
      EXPECT_THAT(line, Not(HasSubstr("main")));
    }
    if (line.starts_with("GET /large/")) {
      EXPECT_THAT(line, EndsWith(" -"));
    } else {
      EXPECT_THAT(line, EndsWith(" Bearer sesame"));
    }
    has_pages |= line.find("cursor=3") != std::string::npos;
  }
  EXPECT_TRUE(has_pages);
  EXPECT_THAT(Pull(std::string("hf://org/model@") + kCommit), IsOk());
}

TEST_F(HubTest, ATokenMayLieInAFile) {
  testing::WriteFile(directory_ / "home/token", "sesame\n");
  EXPECT_THAT(Pull("hf://org/model"), IsOk());
  testing::WriteFile(directory_ / "other", "open");
  Set("HF_TOKEN_PATH", directory_ / "other");
  EXPECT_THAT(Pull("hf://org/model"), StatusIs(StatusCode::kUnauthenticated, HasSubstr("401")));
  testing::WriteFile(directory_ / "other", "two words");
  EXPECT_THAT(Pull("hf://org/model"),
              StatusIs(StatusCode::kInvalidArgument, Not(HasSubstr("two words"))));
}

TEST_F(HubTest, WhatIsNotThereIsNamed) {
  Set("HF_TOKEN", "sesame");
  EXPECT_THAT(Pull("hf://org/other"),
              StatusIs(StatusCode::kNotFound, HasSubstr("hf://org/other@main")));
  EXPECT_THAT(Pull("hf://org/model@v2"), StatusIs(StatusCode::kNotFound, HasSubstr("@v2")));
  server_->SetFaults({"a -1 /tree/ status 503"});
  EXPECT_THAT(Pull("hf://org/model"), StatusIs(StatusCode::kUnavailable, HasSubstr("503")));
  server_->SetFaults({"b 2 /tree/ status 503"});
  EXPECT_THAT(Pull("hf://org/model"), IsOk());
}

}  // namespace
}  // namespace ecf8
