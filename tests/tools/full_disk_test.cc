// A disk that is full, for whoever writes: the right error, nothing left of what was begun, and a
// daemon that goes on serving.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <memory>
#include <string>

#include "tests/support/wait.h"
#include "tests/tools/daemon_fixture.h"
#include "tests/tools/limited_daemon.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

using ::ecf8::testing::Arguments;
using ::ecf8::testing::kCli;
using ::ecf8::testing::kDaemon;
using ::ecf8::testing::OnSmallDisk;
using ::ecf8::testing::RunProgram;
using ::ecf8::testing::RunResult;
using ::ecf8::testing::Subprocess;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kNoSpace[] = "No space left on device";

class FullDiskTest : public testing::DaemonTest {
 protected:
  void SetUp() override {
    if (!testing::CanMount()) GTEST_SKIP() << "needs root, to mount a small disk";
    fs::create_directory(disk_);
  }

  RunResult RunOnFullDisk(uint64_t free_bytes, const Arguments& program) const {
    return RunProgram(OnSmallDisk(disk_, uint64_t{1} << 20, free_bytes, program));
  }
  std::unique_ptr<Subprocess> StartOnFullDisk(uint64_t free_bytes, const Arguments& more) const {
    Arguments program = {kDaemon, "--listen", "unix:" + socket_, "--model-dir",
                         directory_ / "small"};
    program.insert(program.end(), more.begin(), more.end());
    return std::make_unique<Subprocess>(OnSmallDisk(disk_, uint64_t{1} << 20, free_bytes, program));
  }
  // Its orderly end, with no file left on the disk.
  static void ExpectEndsWithNothingLeft(Subprocess& daemon) {
    daemon.Signal(SIGTERM);
    EXPECT_EQ(daemon.Wait(), 0) << daemon.Stderr();
    EXPECT_THAT(daemon.Stdout(), EndsWith("left:\n./heat\n"));
  }

  const std::string disk_ = directory_ / "disk";
};

TEST_F(FullDiskTest, CompressLeavesNothing) {
  for (const uint64_t free_bytes : {0, 4 << 10, 200 << 10, 900 << 10}) {
    const RunResult result = RunOnFullDisk(
        free_bytes, {kCli, "compress", directory_ / "small.plain", disk_ + "/compressed"});
    EXPECT_EQ(result.exit_status, 1) << free_bytes;
    EXPECT_THAT(result.err, HasSubstr(kNoSpace)) << free_bytes;
    EXPECT_THAT(result.out, EndsWith("left:\n")) << free_bytes;
  }
}

TEST_F(FullDiskTest, DecompressLeavesNothing) {
  const RunResult result =
      RunOnFullDisk(500 << 10, {kCli, "decompress", directory_ / "small", disk_ + "/plain"});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_THAT(result.err, HasSubstr(kNoSpace));
  EXPECT_THAT(result.out, EndsWith("left:\n"));
}

TEST_F(FullDiskTest, AFetchIntoFilesLeavesWholeOnes) {
  const auto daemon = Start();
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  const RunResult result =
      RunOnFullDisk(200 << 10, {kCli, "fetch", "small", "embed", "layers.0", "--out",
                                disk_ + "/out", "--daemon", "unix:" + socket_});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_THAT(result.err, HasSubstr(kNoSpace));
  EXPECT_THAT(result.out, HasSubstr("out/embed.safetensors"));
  EXPECT_THAT(result.out, Not(HasSubstr("layers")));
  EXPECT_EQ(Ask({"fetch", "small", "--verify"}).exit_status, 0);
}

TEST_F(FullDiskTest, ARecordingEndsAndTheDaemonDoesNot) {
  const auto daemon = Start();
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  Subprocess recorder(OnSmallDisk(
      disk_, uint64_t{1} << 20, 8 << 10,
      {kCli, "trace", "record", "--out", disk_ + "/a.trace", "--daemon", "unix:" + socket_}));
  ASSERT_TRUE(recorder.Says("recording into")) << recorder.Stderr();
  // Each is an access of a few bytes.
  EXPECT_TRUE(testing::Within(std::chrono::seconds(60), [&] {
    EXPECT_EQ(Ask({"bench", "offload", "small", "--layers", "--passes", "400"}).exit_status, 0);
    return !recorder.running();
  }));
  EXPECT_EQ(recorder.Wait(), 1);
  EXPECT_THAT(recorder.Stderr(), HasSubstr(kNoSpace));
  EXPECT_EQ(Ask({"fetch", "small", "--verify"}).exit_status, 0);
  const RunResult another = RunOnFullDisk(
      0, {kCli, "trace", "record", "--out", disk_ + "/b.trace", "--daemon", "unix:" + socket_});
  EXPECT_EQ(another.exit_status, 1);
  EXPECT_THAT(another.err, HasSubstr(kNoSpace));
}

TEST_F(FullDiskTest, HeatIsLostAndNothingElse) {
  testing::MakeCompressedModel(directory_.path(), "experts",
                               {.layers = 2, .experts = 8, .expert_rows = 16});
  const auto daemon =
      StartOnFullDisk(0, {"--model-dir", directory_ / "experts", "--heat-dir", disk_ + "/heat"});
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  EXPECT_EQ(Ask({"fetch", "experts", "layers.0.experts.3", "layers.1.experts.5"}).exit_status, 0);
  ExpectEndsWithNothingLeft(*daemon);
  EXPECT_THAT(daemon->Stderr(), HasSubstr(kNoSpace));
}

TEST_F(FullDiskTest, ATimeLineIsCutShort) {
  const auto daemon = StartOnFullDisk(4 << 10, {"--trace", disk_ + "/line.json"});
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Ask({"bench", "offload", "small", "--layers", "--passes", "50"}).exit_status, 0);
  }
  EXPECT_EQ(Ask({"fetch", "small", "--verify"}).exit_status, 0);
  daemon->Signal(SIGTERM);
  EXPECT_EQ(daemon->Wait(), 0) << daemon->Stderr();
  EXPECT_THAT(daemon->Stderr(), HasSubstr("the trace is cut short"));
}

// To add a model writes nothing.
TEST_F(FullDiskTest, AModelIsAddedAllTheSame) {
  fs::create_directory(directory_ / "root");
  testing::MakeCompressedModel(directory_ / "root", "later");
  const auto daemon =
      StartOnFullDisk(0, {"--model-root", directory_ / "root", "--heat-dir", disk_ + "/heat"});
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  EXPECT_EQ(Ask({"add", "later"}).exit_status, 0);
  EXPECT_EQ(Ask({"fetch", "later", "--verify"}).exit_status, 0);
  EXPECT_EQ(Ask({"remove", "later"}).exit_status, 0);
  ExpectEndsWithNothingLeft(*daemon);
}

}  // namespace
}  // namespace ecf8
