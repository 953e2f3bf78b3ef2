// `ecf8 pull` as a user starts it, and kills it.
//
//   ECF8_PULL_KILLS=50 build/release/bin/pull_command_test --gtest_filter=*Killed*

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/support/model_server.h"
#include "tests/support/small_model.h"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_certificates.h"
#include "tests/support/test_model.h"
#include "tests/tools/limited_daemon.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

using ::ecf8::testing::ModelServer;
using ::ecf8::testing::RunResult;
using ::ecf8::testing::Subprocess;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Json = nlohmann::json;

const std::string kCli = ECF8_BINARY_DIR "/bin/ecf8";

class PullCommandTest : public ::testing::Test {
 protected:
  // Some 70 units of a quarter of a MB.
  PullCommandTest() {
    testing::MakeCompressedModel(directory_ / "www", "model",
                                 {.layers = 4,
                                  .projection_rows = 200,
                                  .experts = 16,
                                  .expert_rows = 256,
                                  .shard_size_bytes = 9'000'000});
  }

  std::vector<std::string> Pull(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {kCli, "pull", server_->Url("model"), pulled_};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  void ExpectPulled() const {
    testing::ExpectSameFiles(pulled_, directory_ / "www/model");
    EXPECT_EQ(testing::RunProgram({kCli, "verify", pulled_}).exit_status, 0);
    EXPECT_FALSE(fs::exists(directory_ / ".pulled.ecf8-partial"));
  }

  testing::TempDir directory_;
  const std::string pulled_ = directory_ / "pulled";
  std::unique_ptr<ModelServer> server_ = std::make_unique<ModelServer>(directory_ / "www");
};

TEST_F(PullCommandTest, BringsAModelAndSaysWhat) {
  const RunResult text = testing::RunProgram(Pull());
  EXPECT_EQ(text.exit_status, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("every checksum right"));
  EXPECT_THAT(text.err, HasSubstr("100%"));
  ExpectPulled();
  EXPECT_THAT(testing::RunProgram(Pull()).err, HasSubstr("exists already"));
  const RunResult json = testing::RunProgram(Pull({"--force", "--json"}));
  EXPECT_EQ(json.exit_status, 0) << json.err;
  const Json document = Json::parse(json.out, nullptr, false);
  EXPECT_GT(document["bytes_fetched"], 10'000'000);
  EXPECT_EQ(document["bytes_resumed"], 0);
  EXPECT_EQ(document["damaged_parts"], 0);
  EXPECT_GE(document["units"], 70);
  const Json inspected =
      Json::parse(testing::RunProgram({kCli, "inspect", pulled_, "--json"}).out, nullptr, false);
  EXPECT_EQ(document["digest"], inspected["digest"]);
}

TEST_F(PullCommandTest, WrongUsageIsToldFromFailure) {
  for (const std::vector<std::string>& more : std::vector<std::vector<std::string>>{
           {"--digest", "12"}, {"--max-rate", "1KB"}, {"--connections", "0"}}) {
    EXPECT_EQ(testing::RunProgram(Pull(more)).exit_status, 2) << more[0];
  }
  EXPECT_EQ(testing::RunProgram({kCli, "pull", "ftp://h/m", pulled_}).exit_status, 2);
  const RunResult plain = testing::RunProgram({kCli, "pull", "http://192.0.2.1/m", pulled_});
  EXPECT_EQ(plain.exit_status, 1);
  EXPECT_THAT(plain.err, HasSubstr("--insecure"));
}

TEST_F(PullCommandTest, TlsAndATokenFromTheEnvironment) {
  const testing::TestCertificate ca = testing::MakeCa("ours");
  const testing::TestCertificate certificate = testing::MakeCertificate(ca, "server");
  testing::WriteFile(directory_ / "ca.pem", ca.certificate);
  testing::WriteFile(directory_ / "server.pem", certificate.certificate);
  testing::WriteFile(directory_ / "server.key", certificate.key);
  server_ = std::make_unique<ModelServer>(
      directory_ / "www", std::vector<std::string>{"--tls", directory_ / "server.pem",
                                                   directory_ / "server.key", "--token", "sesame"});
  const std::string url = "https://localhost:" + std::to_string(server_->port()) + "/model";
  const std::vector<std::string> words = {kCli,    "pull",     url,
                                          pulled_, "--tls-ca", directory_ / "ca.pem"};
  const RunResult without = testing::RunProgram(words);
  EXPECT_EQ(without.exit_status, 1);
  EXPECT_THAT(without.err, AllOf(HasSubstr("401"), HasSubstr("expired")));
  Subprocess with(words, {.environment = {"ECF8_TOKEN=sesame"}});
  EXPECT_EQ(with.Wait(), 0) << with.Stderr();
  EXPECT_THAT(with.Stderr() + with.Stdout(), Not(HasSubstr("sesame")));
  ExpectPulled();
}

TEST_F(PullCommandTest, WhatDoesNotFitIsRefusedWithTheShortfall) {
  if (!testing::CanMount()) GTEST_SKIP() << "needs root, to mount a small disk";
  fs::create_directory(directory_ / "disk");
  const RunResult result = testing::RunProgram(
      testing::OnSmallDisk(directory_ / "disk", 8 << 20, 6 << 20,
                           {kCli, "pull", server_->Url("model"), directory_ / "disk/pulled"}));
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("too little room by"), HasSubstr("MiB")));
  EXPECT_THAT(result.out, EndsWith("left:\n"));
}

TEST_F(PullCommandTest, AnInterruptKeepsWhatHasCome) {
  Subprocess pull(Pull({"--max-rate", "4MB", "--connections", "2"}));
  ASSERT_TRUE(pull.Says("%")) << pull.Stderr();
  pull.Signal(SIGINT);
  EXPECT_EQ(pull.Wait(), 1);
  EXPECT_THAT(pull.Stderr(), HasSubstr("cancelled"));
  const RunResult again = testing::RunProgram(Pull({"--json"}));
  EXPECT_EQ(again.exit_status, 0) << again.err;
  EXPECT_GT(Json::parse(again.out, nullptr, false)["bytes_resumed"], 500'000);
  ExpectPulled();
}

TEST_F(PullCommandTest, KilledAtAnyMomentItGoesOn) {
  const char* const text = std::getenv("ECF8_PULL_KILLS");
  const int kills = text != nullptr ? std::atoi(text) : 8;
  std::mt19937 random(std::random_device{}());
  std::uniform_int_distribution<int> delay_ms(0, 300);
  int ended = 0;
  uint64_t resumed = 0;
  uint64_t fetched = 0;
  const auto take = [&](const std::string& out) {
    const Json document = Json::parse(out, nullptr, false);
    resumed += document.value("bytes_resumed", uint64_t{0});
    fetched += document.value("bytes_fetched", uint64_t{0});
    ExpectPulled();
    fs::remove_all(pulled_);
    ++ended;
  };
  for (int killed = 0; killed < kills;) {
    Subprocess pull(Pull({"--json", "--max-rate", "20MB", "--connections", "4"}));
    // From the beginning on, or when some of it has come.
    if (killed % 2 == 1) {
      EXPECT_TRUE(pull.Says("%")) << pull.Stderr();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms(random)));
    if (pull.running()) {
      pull.Signal(SIGKILL);
      ++killed;
    }
    const int status = pull.Wait();
    if (status == 0) {
      take(pull.Stdout());
      continue;
    }
    ASSERT_EQ(status, -SIGKILL) << pull.Stderr();
    if (fs::exists(pulled_)) take("{}");  // in its last moment
  }
  const RunResult last = testing::RunProgram(Pull({"--json"}));
  ASSERT_EQ(last.exit_status, 0) << last.err;
  take(last.out);
  EXPECT_GT(resumed, 0u);
  std::printf("%d killed, %d ended; of what these had, %.1f MB were there and %.1f MB fetched\n",
              kills, ended, static_cast<double>(resumed) / 1e6, static_cast<double>(fetched) / 1e6);
}

// The daemon that it is pulled from dies, and another takes its place: one pull goes on.
TEST_F(PullCommandTest, FromADaemonThatIsKilledMeanwhile) {
  const auto start = [&](const std::string& port) {
    return std::make_unique<Subprocess>(std::vector<std::string>{
        ECF8_BINARY_DIR "/bin/ecf8d", "--listen", "127.0.0.1:" + port, "--insecure", "--model-dir",
        directory_ / "www/model", "--host-budget", "64MiB", "--slot-budget", "8MiB"});
  };
  auto daemon = start("0");
  ASSERT_TRUE(daemon->Says("listening on")) << daemon->Stderr();
  const std::string said = daemon->Stderr(), mark = "listening on 127.0.0.1:";
  const size_t at = said.find(mark) + mark.size();
  const std::string port = said.substr(at, said.find('\n', at) - at);
  Subprocess pull({kCli, "pull", "ecf8://127.0.0.1:" + port + "/model", pulled_, "--insecure",
                   "--json", "--max-rate", "8MB", "--connections", "3"});
  for (int kills = 0; kills < 3; ++kills) {
    ASSERT_TRUE(pull.Says("%")) << pull.Stderr();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    daemon->Signal(SIGKILL);
    daemon->Wait();
    daemon = start(port);
    ASSERT_TRUE(daemon->Says("listening on")) << daemon->Stderr();
  }
  EXPECT_EQ(pull.Wait(std::chrono::seconds(200)), 0) << pull.Stderr();
  ExpectPulled();
}

}  // namespace
}  // namespace ecf8
