// A daemon whose host tier outlives it, with a service manager of the test's own.
//
//   ECF8_DAEMON_KILLS=200 build/release/bin/daemon_process_test --gtest_filter='*KilledAtWork*'

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/tools/service_fixture.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

using ::ecf8::testing::kCli;
using ::ecf8::testing::RunResult;
using ::ecf8::testing::Subprocess;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class DaemonRestartTest : public testing::ServiceTest {
 protected:
  std::unique_ptr<Subprocess> StartWithSmall() {
    auto daemon = StartAsService({"--model-dir", directory_ / "small", "--host-budget", "64MiB"});
    EXPECT_TRUE(IsUp(*daemon)) << daemon->Stderr();
    return daemon;
  }

  nlohmann::json Status() const {
    const RunResult status = Ask({"status", "--json"});
    EXPECT_EQ(status.exit_status, 0) << status.err;
    return nlohmann::json::parse(status.out, nullptr, false);
  }
  // Every unit in both forms, checked against checksums and manifest.
  void FetchAll() const {
    EXPECT_EQ(Ask({"fetch", "small"}).exit_status, 0);
    const RunResult stored = Ask({"fetch", "small", "--form", "compressed", "--verify"});
    EXPECT_EQ(stored.exit_status, 0) << stored.err;
  }
  // A daemon that has used all of the model, ended by `signal_number`.
  void LeaveMemory(int signal_number) {
    const auto daemon = StartWithSmall();
    FetchAll();
    EXPECT_EQ(Status()["kept"]["units"], 0);
    daemon->Signal(signal_number);
    daemon->Wait();
    manager_.Hear();
    EXPECT_THAT(manager_.Names(), ElementsAre("ecf8-arena", "ecf8-ledger"));
  }
};

TEST_F(DaemonRestartTest, TheNextDaemonReadsNothingAgain) {
  for (const int signal_number : {SIGTERM, SIGKILL}) {
    LeaveMemory(signal_number);
    const auto begin = std::chrono::steady_clock::now();
    const auto daemon = StartWithSmall();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
    EXPECT_THAT(daemon->Stderr(), HasSubstr("has left 4 units in memory"));
    FetchAll();
    const auto status = Status();
    EXPECT_EQ(status["kept"]["units"], 4);
    EXPECT_EQ(status["kept"]["bad_units"], 0);
    EXPECT_EQ(status["pipeline"]["read_bytes"], 0);
    EXPECT_THAT(Ask({"status"}).out, HasSubstr("of the daemon before: 4 units"));
    manager_.Hear();
    EXPECT_THAT(manager_.states(), Contains("READY=1"));
    daemon->Signal(SIGTERM);
    EXPECT_EQ(daemon->Wait(), 0);
    manager_.Hear();
    EXPECT_THAT(manager_.states(), Contains("STOPPING=1"));
    EXPECT_THAT(manager_.Names(), ElementsAre("ecf8-arena", "ecf8-ledger"));
    manager_.Forget();  // for the other daemon to begin with none
  }
}

TEST_F(DaemonRestartTest, TellsTheManagerThatItLivesAndReloads) {
  watchdog_ = true;
  const auto daemon = StartWithSmall();
  const auto hears = [&](const std::string& state, size_t times) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < deadline) {
      manager_.Hear();
      size_t heard = 0;
      for (const std::string& said : manager_.states()) heard += said.starts_with(state) ? 1 : 0;
      if (heard >= times) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  };
  EXPECT_TRUE(hears("WATCHDOG=1", 5));
  daemon->Signal(SIGHUP);
  EXPECT_TRUE(hears("RELOADING=1\nMONOTONIC_USEC=", 1));
  EXPECT_TRUE(hears("READY=1", 2));
  daemon->Signal(SIGTERM);
  EXPECT_EQ(daemon->Wait(), 0);
}

TEST_F(DaemonRestartTest, DamagedMemoryIsReadAgain) {
  LeaveMemory(SIGKILL);
  const int fd = manager_.fd("ecf8-arena");
  struct stat stat {};
  ASSERT_EQ(fstat(fd, &stat), 0);
  for (off_t at = 100; at < stat.st_size; at += 64 << 10) {
    uint8_t byte = 0;
    ASSERT_EQ(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    ASSERT_EQ(pwrite(fd, &byte, 1, at), 1);
  }
  const auto daemon = StartWithSmall();
  FetchAll();
  const auto status = Status();
  EXPECT_EQ(status["kept"]["units"], 4);
  EXPECT_GT(status["kept"]["bad_units"], 2);
  EXPECT_GT(status["pipeline"]["read_bytes"], 0);
  EXPECT_EQ(status["pipeline"]["failed_units"], 0);
}

TEST_F(DaemonRestartTest, OtherWeightsUnderTheNameAreServedAsTheyAre) {
  LeaveMemory(SIGTERM);
  fs::remove_all(directory_ / "small");
  fs::remove_all(directory_ / "small.plain");
  testing::MakeCompressedModel(directory_.path(), "small", {.projection_rows = 1999});
  const auto daemon = StartWithSmall();
  FetchAll();
  EXPECT_EQ(Status()["kept"]["units"], 0);
  EXPECT_GT(Status()["pipeline"]["read_bytes"], 0);
}

TEST_F(DaemonRestartTest, AModelThatIsAddedLaterFindsItsUnits) {
  LeaveMemory(SIGKILL);
  const auto daemon = StartAsService({"--model-root", directory_.path(), "--host-budget", "64MiB"});
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  EXPECT_EQ(Status()["kept"]["units"], 0);
  ASSERT_EQ(Ask({"add", "small"}).exit_status, 0);
  FetchAll();
  EXPECT_EQ(Status()["kept"]["units"], 4);
  EXPECT_EQ(Status()["pipeline"]["read_bytes"], 0);
}

TEST_F(DaemonRestartTest, AnotherBudgetBeginsAnew) {
  LeaveMemory(SIGTERM);
  struct stat before {
  }, after{};
  ASSERT_EQ(fstat(manager_.fd("ecf8-arena"), &before), 0);
  const auto daemon =
      StartAsService({"--model-dir", directory_ / "small", "--host-budget", "32MiB"});
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  EXPECT_THAT(daemon->Stderr(),
              HasSubstr("the memory of the daemon before is not used: it is of another size"));
  manager_.Hear();
  EXPECT_THAT(manager_.Names(), ElementsAre("ecf8-arena", "ecf8-ledger"));
  ASSERT_EQ(fstat(manager_.fd("ecf8-arena"), &after), 0);
  EXPECT_LT(after.st_size, before.st_size);
  FetchAll();
}

TEST_F(DaemonRestartTest, IsNotKeptWhereItIsNotWanted) {
  LeaveMemory(SIGTERM);
  const auto daemon = StartAsService(
      {"--model-dir", directory_ / "small", "--host-budget", "64MiB", "--keep-memory", "never"});
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  manager_.Hear();
  EXPECT_THAT(manager_.Names(), IsEmpty());
  FetchAll();
}

// While it reads: the arena holds half of the model.
TEST_F(DaemonRestartTest, KilledAtWorkItLeavesWhatCanBeUsed) {
  const char* const kills_text = std::getenv("ECF8_DAEMON_KILLS");
  const int kills = kills_text != nullptr ? std::atoi(kills_text) : 4;
  testing::MakeCompressedModel(directory_.path(), "layers", {.layers = 8, .projection_rows = 2500});
  const std::vector<std::string> flags = {"--model-dir", directory_ / "layers", "--host-budget",
                                          "14MiB",       "--slot-budget",       "12MiB"};
  std::mt19937 random(1);
  uint64_t kept = 0, bad = 0;
  for (int i = 0; i < kills; ++i) {
    const auto daemon = StartAsService(flags);
    ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
    const RunResult fetched =
        Ask({"fetch", "layers", "--form", i % 2 == 0 ? "compressed" : "decoded", "--verify"});
    ASSERT_EQ(fetched.exit_status, 0) << fetched.err;
    const auto status = Status();
    kept += status["kept"]["units"].get<uint64_t>();
    bad += status["kept"]["bad_units"].get<uint64_t>();
    EXPECT_EQ(status["pipeline"]["failed_units"], 0);
    const Subprocess one({kCli, "fetch", "layers", "--daemon", "unix:" + socket_});
    const Subprocess two(
        {kCli, "fetch", "layers", "--form", "compressed", "--daemon", "unix:" + socket_});
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 40'000));
    daemon->Signal(SIGKILL);
    daemon->Wait();
  }
  EXPECT_EQ(bad, 0u) << "the ledger has told of what was not there";
  std::printf("%d daemons killed; %llu units were kept\n", kills,
              static_cast<unsigned long long>(kept));
}

TEST_F(DaemonRestartTest, WithoutAServiceManagerNothingIsKept) {
  const auto maps = [](const Subprocess& daemon) {
    return testing::ReadFile("/proc/" + std::to_string(daemon.pid()) + "/maps");
  };
  {
    const auto daemon = Start();
    ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
    EXPECT_THAT(maps(*daemon), Not(HasSubstr("ecf8-arena")));
  }
  EXPECT_THAT(maps(*StartWithSmall()), HasSubstr("ecf8-arena"));
}

}  // namespace
}  // namespace ecf8
