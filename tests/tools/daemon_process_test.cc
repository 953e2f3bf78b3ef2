// The two programs as they are started: the daemon serves, the command line asks, signals end them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "loader/base/file.h"
#include "loader/cache/simulator/simulate.h"
#include "loader/cache/trace.h"
#include "loader/checkpoint/safetensors.h"
#include "nlohmann/json.hpp"
#include "tests/support/wait.h"
#include "tests/tools/daemon_fixture.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::kCli;
using ::ecf8::testing::kDaemon;
using ::ecf8::testing::RunProgram;
using ::ecf8::testing::RunResult;
using ::ecf8::testing::Subprocess;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

using DaemonProcessTest = testing::DaemonTest;

TEST_F(DaemonProcessTest, ServesAndEndsOnSigterm) {
  const auto daemon = Start();
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  struct stat status = {};
  ASSERT_EQ(lstat(socket_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);

  const RunResult models = Ask({"models", "--json"});
  EXPECT_EQ(models.exit_status, 0) << models.err;
  const auto json = nlohmann::json::parse(models.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << models.out;
  EXPECT_EQ(json["models"][0]["name"], "small");
  EXPECT_THAT(Ask({"models"}).out, HasSubstr("small"));
  EXPECT_THAT(Ask({"units", "small"}).out, HasSubstr("layers.1"));

  daemon->Signal(SIGTERM);
  EXPECT_EQ(daemon->Wait(), 0) << daemon->Stderr();
  EXPECT_FALSE(std::filesystem::exists(socket_));
  EXPECT_FALSE(std::filesystem::exists(socket_ + ".lock"));
  const RunResult gone = Ask({"models"});
  EXPECT_EQ(gone.exit_status, 1);
  EXPECT_THAT(gone.err, HasSubstr("no daemon answers at unix:" + socket_));
  EXPECT_EQ(gone.out, "");
}

TEST_F(DaemonProcessTest, WhoMayNotOpenTheSocketIsToldSo) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to be another user";
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
  const auto daemon = Start({"--socket-group", "daemon"});
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  const RunResult refused =
      RunProgram({"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", kCli,
                  "models", "--daemon", "unix:" + socket_});
  EXPECT_EQ(refused.exit_status, 1);
  EXPECT_THAT(refused.err, HasSubstr("permission denied at unix:" + socket_ +
                                     ": it is open to user root and group daemon"));
}

TEST_F(DaemonProcessTest, EndsOnSigintToo) {
  const auto daemon = Start();
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  daemon->Signal(SIGINT);
  EXPECT_EQ(daemon->Wait(), 0) << daemon->Stderr();
}

TEST_F(DaemonProcessTest, FetchWritesWhatWasCompressed) {
  const auto daemon = Start();
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  const RunResult decoded = Ask({"fetch", "small", "--out", directory_ / "decoded", "--json"});
  ASSERT_EQ(decoded.exit_status, 0) << decoded.err;
  const auto summary = nlohmann::json::parse(decoded.out, nullptr, false);
  ASSERT_TRUE(summary.is_object()) << decoded.out;
  EXPECT_EQ(summary["units"], 4);
  testing::TensorBytes fetched;
  for (const std::string unit : {"embed", "layers.0", "layers.1", "head"}) {
    const std::string path = directory_ / ("decoded/" + unit + ".safetensors");
    const auto file = File::OpenForRead(path);
    ASSERT_TRUE(file.ok()) << file.status();
    const auto header = ReadSafetensorsHeader(*file);
    ASSERT_TRUE(header.ok()) << header.status();
    const std::string bytes = testing::ReadFile(path);
    for (const SafetensorsTensor& tensor : header->tensors) {
      fetched[tensor.name] =
          bytes.substr(header->data_offset() + tensor.begin, tensor.size_bytes());
    }
  }
  EXPECT_EQ(fetched, tensors_);

  const RunResult mixed = Ask({"fetch", "small", "--tensor", "lm_head.weight", "embed", "--tensor",
                               "model.layers.0.empty.weight", "--json"});
  EXPECT_EQ(mixed.exit_status, 0) << mixed.err;
  EXPECT_EQ(nlohmann::json::parse(mixed.out, nullptr, false)["units"], 3);

  const RunResult stored = Ask({"fetch", "small", "layers.1", "--form", "compressed", "--verify",
                                "--out", directory_ / "stored"});
  ASSERT_EQ(stored.exit_status, 0) << stored.err;
  EXPECT_THAT(stored.out, HasSubstr("1 units"));
  const auto model = testing::OpenModel(directory_ / "small");
  const uint32_t index = *model->FindUnit("layers.1");
  const std::string shard =
      testing::ReadFile(directory_ / ("small/" + model->shard_of(index).file_name));
  const std::string unit_bytes = testing::ReadFile(directory_ / "stored/layers.1.ecf8unit");
  EXPECT_EQ(unit_bytes.size(), model->unit(index).stored_size_bytes);
  EXPECT_EQ(shard.compare(model->unit(index).offset_bytes, unit_bytes.size(), unit_bytes), 0);
}

// What a policy is told while a trace is replayed.
class ListeningPolicy final : public CachePolicy {
 public:
  void OnAccess(const CacheUnit& unit, Access access, bool /*hit*/) override {
    accesses.emplace_back(CacheKeyUnit(unit.key), access);
  }
  bool Admit(const CacheUnit& /*unit*/, uint64_t /*missing_bytes*/, bool /*must*/,
             const std::function<bool(uint64_t)>& /*can_evict*/,
             std::vector<uint64_t>* /*victims*/) override {
    return false;
  }
  void OnInsert(const CacheUnit& /*unit*/) override {}
  void OnEvict(uint64_t /*key*/) override {}

  std::vector<std::pair<uint32_t, Access>> accesses;
};

TEST_F(DaemonProcessTest, RecordsWhatIsFetchedAndReplaysIt) {
  const auto daemon = Start();
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  const std::string path = directory_ / "fetch.trace";
  Subprocess recorder(
      {kCli, "trace", "record", "--out", path, "--json", "--daemon", "unix:" + socket_});
  ASSERT_TRUE(recorder.Says("recording into")) << recorder.Stderr();
  ASSERT_EQ(Ask({"fetch", "small"}).exit_status, 0);
  ASSERT_EQ(Ask({"fetch", "small", "head", "--form", "compressed"}).exit_status, 0);
  recorder.Signal(SIGINT);
  ASSERT_EQ(recorder.Wait(), 0) << recorder.Stderr();
  const auto report = nlohmann::json::parse(recorder.Stdout(), nullptr, false);
  ASSERT_TRUE(report.is_object()) << recorder.Stdout();
  EXPECT_EQ(report["demands"], 5);
  EXPECT_EQ(report["hints"], 3);
  EXPECT_EQ(report["lost_accesses"], 0);

  const auto trace = ReadTrace(path);
  ASSERT_TRUE(trace.ok()) << trace.status();
  const auto model = testing::OpenModel(directory_ / "small");
  ASSERT_EQ(trace->models.size(), 1u);
  EXPECT_EQ(trace->models[0].digest, std::stoull(model->digest(), nullptr, 16));
  ASSERT_EQ(trace->models[0].units.size(), model->unit_count());
  for (uint32_t i = 0; i < model->unit_count(); ++i) {
    EXPECT_EQ(trace->models[0].units[i].id, model->unit(i).id);
    EXPECT_EQ(trace->models[0].units[i].stored_size_bytes, model->unit(i).stored_size_bytes);
  }
  // A fetch asks for the units ahead, and again when their turn has come.
  ListeningPolicy policy;
  const SimulationResult result = Simulate(*trace, 1 << 30, policy);
  EXPECT_EQ(result.demands, 5u);
  const auto demand = [&](const std::string& id) {
    return std::pair(*model->FindUnit(id), Access::kDemand);
  };
  const auto hint = [&](const std::string& id) {
    return std::pair(*model->FindUnit(id), Access::kHint);
  };
  EXPECT_THAT(policy.accesses,
              ElementsAre(demand("embed"), hint("layers.0"), hint("layers.1"), hint("head"),
                          demand("layers.0"), demand("layers.1"), demand("head"), demand("head")));
  const RunResult bench =
      RunProgram({kCli, "bench", "cache", "--trace", path, "--budget", "1000000000", "--json"});
  EXPECT_EQ(bench.exit_status, 0) << bench.err;
  const auto rows = nlohmann::json::parse(bench.out, nullptr, false);
  ASSERT_TRUE(rows.is_object()) << bench.out;
  // The last alone: the others were read for the first time, if for their hints.
  EXPECT_DOUBLE_EQ(rows["rows"][0]["belady"], 0.2);
}

TEST_F(DaemonProcessTest, ATraceTellsWhatItHolds) {
  const auto daemon = Start();
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  const std::string path = directory_ / "a.trace";
  Subprocess recorder(
      {kCli, "trace", "record", "--out", path, "--model", "small", "--daemon", "unix:" + socket_});
  ASSERT_TRUE(recorder.Says("recording into")) << recorder.Stderr();
  ASSERT_EQ(Ask({"fetch", "small", "layers.1"}).exit_status, 0);
  // The daemon's end ends it, and what was asked for before is in.
  daemon->Signal(SIGTERM);
  EXPECT_EQ(recorder.Wait(), 0) << recorder.Stderr();
  EXPECT_THAT(recorder.Stderr(), HasSubstr("the daemon has stopped"));
  EXPECT_THAT(recorder.Stdout(), HasSubstr("1 accesses"));
  EXPECT_EQ(daemon->Wait(), 0) << daemon->Stderr();
  const RunResult info = RunProgram({kCli, "trace", "info", path});
  EXPECT_EQ(info.exit_status, 0) << info.err;
  EXPECT_THAT(info.out, HasSubstr("1 accesses over"));
  const auto json = nlohmann::json::parse(RunProgram({kCli, "trace", "info", path, "--json"}).out,
                                          nullptr, false);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["models"][0]["units"], 4);
  EXPECT_EQ(json["models"][0]["demands"], 1);
  EXPECT_EQ(json["models"][0]["digest"], testing::OpenModel(directory_ / "small")->digest());
}

TEST_F(DaemonProcessTest, ARecordingEndsByItsTimeAndNeedsANewFile) {
  const auto daemon = Start();
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  const std::string path = directory_ / "a.trace";
  const RunResult timed = Ask({"trace", "record", "--out", path, "--seconds", "1"});
  EXPECT_EQ(timed.exit_status, 0) << timed.err;
  EXPECT_THAT(timed.out, HasSubstr("0 accesses"));
  const std::string bytes = testing::ReadFile(path);
  const RunResult again = Ask({"trace", "record", "--out", path, "--seconds", "1"});
  EXPECT_EQ(again.exit_status, 1);
  EXPECT_THAT(again.err, HasSubstr("a.trace"));
  EXPECT_EQ(testing::ReadFile(path), bytes);
  const RunResult other =
      Ask({"trace", "record", "--out", directory_ / "b.trace", "--model", "other"});
  EXPECT_EQ(other.exit_status, 1);
  EXPECT_THAT(other.err, HasSubstr("no model \"other\""));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "b.trace"));
  EXPECT_EQ(RunProgram({kCli, "trace"}).exit_status, 2);
  EXPECT_EQ(RunProgram({kCli, "trace", "record"}).exit_status, 2);
  EXPECT_EQ(RunProgram({kCli, "trace", "info", directory_ / "none"}).exit_status, 1);
}

// The spans of a time line by their stage.
std::map<std::string, int> Stages(const nlohmann::json& events) {
  std::map<std::string, int> stages;
  for (const auto& event : events) {
    if (event.contains("args") && event["args"].contains("stage")) ++stages[event["args"]["stage"]];
  }
  return stages;
}

TEST_F(DaemonProcessTest, DrawsATimeLineThatIsGoodAfterAKill) {
  const std::string path = directory_ / "line.json";
  auto daemon = Start({"--trace", path});
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  ASSERT_EQ(Ask({"fetch", "small"}).exit_status, 0);
  const auto parse = [](const std::string& text) {
    return nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  };
  EXPECT_TRUE(testing::Within20s([&] {
    std::map<std::string, int> written = Stages(parse(testing::ReadFile(path) + "]"));
    return written["read"] >= 4 && written["verify"] >= 4 && written["decode"] >= 4;
  }));
  daemon->Signal(SIGKILL);
  EXPECT_EQ(daemon->Wait(), -SIGKILL);
  std::map<std::string, int> stages = Stages(parse(testing::ReadFile(path) + "]"));
  EXPECT_EQ(stages["read"], 4);
  EXPECT_GE(stages["verify"], 4);
  EXPECT_GE(stages["decode"], 4);

  daemon = Start({"--trace", path});
  EXPECT_EQ(daemon->Wait(), 1);  // it does not write over what is there
  EXPECT_THAT(daemon->Stderr(), HasSubstr("line.json"));
  const std::string small = directory_ / "small.json";
  daemon = Start({"--trace", small, "--trace-limit", "2KiB"});
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  ASSERT_EQ(Ask({"fetch", "small"}).exit_status, 0);
  daemon->Signal(SIGTERM);
  EXPECT_EQ(daemon->Wait(), 0) << daemon->Stderr();
  EXPECT_THAT(daemon->Stderr(), HasSubstr("left out"));
  EXPECT_TRUE(parse(testing::ReadFile(small)).is_array());
  EXPECT_LT(testing::ReadFile(small).size(), 2400u);
}

TEST_F(DaemonProcessTest, ServesThoughItsHeatCannotBeKept) {
  testing::WriteFile(directory_ / "heat", "in the way");
  const auto daemon = Start({"--heat-dir", directory_ / "heat"});
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  EXPECT_THAT(daemon->Stderr(), HasSubstr("is not a directory"));
  EXPECT_EQ(Ask({"fetch", "small"}).exit_status, 0);
  daemon->Signal(SIGTERM);
  EXPECT_EQ(daemon->Wait(), 0) << daemon->Stderr();
}

TEST_F(DaemonProcessTest, RefusedFetchesExitWithOneAndLeaveNothing) {
  const auto daemon = Start();
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  const std::string out = directory_ / "out";
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"fetch", "other"},
        {"fetch", "small", "layers.9"},
        {"fetch", "small", "head", "head"},
        {"fetch", "small", "--tensor", "no.such.tensor"},
        {"fetch", "small", "../../etc/passwd"},
        {"units", "other"}}) {
    std::vector<std::string> with_out = arguments;
    if (arguments[0] == "fetch") with_out.insert(with_out.end(), {"--out", out});
    const RunResult result = Ask(with_out);
    EXPECT_EQ(result.exit_status, 1);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, HasSubstr("ecf8 " + arguments[0] + ": "));
    EXPECT_THAT(result.err, HasSubstr(arguments.back()));
    EXPECT_THAT(result.err, Not(HasSubstr(directory_ / "small")));
    EXPECT_FALSE(std::filesystem::exists(out));
  }
}

// Flips the last byte of the plain model: the head's last weight.
void ChangeLastByte(const std::string& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(-1, std::ios::end);
  const char last = static_cast<char>(file.get());
  file.seekp(-1, std::ios::end);
  file.put(static_cast<char>(last ^ 1));
}

TEST_F(DaemonProcessTest, FetchComparesWithAPlainModel) {
  const auto daemon = Start();
  ASSERT_TRUE(IsUp(*daemon));
  const std::string plain = directory_ / "small.plain";
  for (const std::string form : {"decoded", "compressed"}) {
    const RunResult same = Ask({"fetch", "small", "--form", form, "--against", plain, "--json"});
    EXPECT_EQ(same.exit_status, 0) << same.err;
    uint64_t bytes = 0;
    for (const auto& [name, data] : tensors_) bytes += data.size();
    EXPECT_EQ(nlohmann::json::parse(same.out, nullptr, false).value("compared_bytes", 0u), bytes);
  }
  for (const auto& entry : std::filesystem::directory_iterator(plain)) {
    if (entry.path().extension() == ".safetensors") ChangeLastByte(entry.path());
  }
  for (const std::string form : {"decoded", "compressed"}) {
    const RunResult changed = Ask({"fetch", "small", "--form", form, "--against", plain});
    EXPECT_EQ(changed.exit_status, 1);
    EXPECT_THAT(changed.err, HasSubstr("differs from"));
  }
}

TEST_F(DaemonProcessTest, WrongUsageExitsWithTwo) {
  EXPECT_EQ(RunProgram({kCli}).exit_status, 2);
  EXPECT_EQ(RunProgram({kCli, "nonsense"}).exit_status, 2);
  EXPECT_EQ(RunProgram({kCli, "fetch"}).exit_status, 2);
  EXPECT_EQ(RunProgram({kCli, "fetch", "m", "--form", "raw"}).exit_status, 2);
  EXPECT_EQ(RunProgram({kCli, "models", "--daemon", "nonsense"}).exit_status, 2);
  EXPECT_EQ(RunProgram({kDaemon}).exit_status, 2);
  for (const std::string& program : {kCli, kDaemon}) {
    const RunResult version = RunProgram({program, "--version"});
    EXPECT_EQ(version.exit_status, 0);
    EXPECT_THAT(version.out, HasSubstr("ecf8"));
    EXPECT_EQ(RunProgram({program, "--help"}).exit_status, 0);
  }
}

// Whatever this build has of CUDA, on a machine without a driver.
TEST_F(DaemonProcessTest, WithoutAGpuAutoServesFromTheHostAndCudaIsAnError) {
  if (std::filesystem::exists("/dev/nvidiactl")) GTEST_SKIP() << "there is a GPU";
  const auto daemon = Start({"--device", "auto"});
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  EXPECT_THAT(daemon->Stderr(), HasSubstr("decodes on host"));
  EXPECT_THAT(daemon->Stderr(), HasSubstr("not on a GPU: "));
  EXPECT_EQ(Ask({"fetch", "small", "--out", directory_ / "decoded"}).exit_status, 0);
  daemon->Signal(SIGTERM);
  EXPECT_EQ(daemon->Wait(), 0);
  const auto refused = Start({"--device", "cuda:0"});
  EXPECT_EQ(refused->Wait(), 1);
  EXPECT_THAT(refused->Stderr(), HasSubstr("cannot use cuda:0: "));
  const auto nonsense = Start({"--device", "gpu"});
  EXPECT_EQ(nonsense->Wait(), 2);
  EXPECT_THAT(nonsense->Stderr(), HasSubstr("device: \"gpu\" is no device such as"));
}

TEST_F(DaemonProcessTest, ASocketInUseIsRefusedAndAStaleOneReplaced) {
  auto first = Start();
  ASSERT_TRUE(IsUp(*first)) << first->Stderr();
  const auto second = Start();
  EXPECT_EQ(second->Wait(), 1);
  EXPECT_THAT(second->Stderr(), HasSubstr("in use"));
  EXPECT_EQ(Ask({"models"}).exit_status, 0);

  first->Signal(SIGKILL);
  EXPECT_EQ(first->Wait(), -SIGKILL);
  EXPECT_TRUE(std::filesystem::exists(socket_));
  const auto third = Start();
  ASSERT_TRUE(IsUp(*third)) << third->Stderr();
  EXPECT_EQ(Ask({"models"}).exit_status, 0);
}

TEST_F(DaemonProcessTest, BadModelsEndTheStart) {
  const std::string listen = "unix:" + socket_;
  const auto start = [&](const std::vector<std::string>& directories) {
    std::vector<std::string> arguments = {kDaemon, "--listen", listen};
    for (const std::string& directory : directories) {
      arguments.insert(arguments.end(), {"--model-dir", directory});
    }
    return RunProgram(arguments);
  };
  EXPECT_EQ(start({directory_ / "missing"}).exit_status, 1);
  EXPECT_EQ(start({directory_ / "small.plain"}).exit_status, 1);
  std::filesystem::create_directory(directory_ / "copy");
  std::filesystem::copy(directory_ / "small", directory_ / "copy/small");
  const RunResult twice = start({directory_ / "small", directory_ / "copy"});
  EXPECT_EQ(twice.exit_status, 1);
  EXPECT_THAT(twice.err, HasSubstr("two models"));
  EXPECT_FALSE(std::filesystem::exists(socket_));
}

TEST_F(DaemonProcessTest, CheckConfigOpensModelsAndStops) {
  const auto good = Start({"--check-config"});
  EXPECT_EQ(good->Wait(), 0) << good->Stderr();
  EXPECT_FALSE(std::filesystem::exists(socket_));
  testing::WriteFile(directory_ / "c.toml", "drain_timeout_ms = 1\n");
  const auto bad = Start({"--check-config", "--config", directory_ / "c.toml"});
  EXPECT_EQ(bad->Wait(), 1);
  EXPECT_THAT(bad->Stderr(), HasSubstr("c.toml:1: unknown key"));
}

TEST_F(DaemonProcessTest, LogsJson) {
  const auto daemon = Start({"--log-format", "json", "--log-level", "debug"});
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  EXPECT_EQ(Ask({"fetch", "small", "nope"}).exit_status, 1);
  daemon->Signal(SIGTERM);
  EXPECT_EQ(daemon->Wait(), 0);
  std::istringstream lines(daemon->Stderr());
  std::string line;
  while (std::getline(lines, line)) {
    EXPECT_TRUE(nlohmann::json::parse(line, nullptr, false).is_object()) << line;
  }
}

TEST_F(DaemonProcessTest, ServesTcpWhenAllowedTo) {
  Subprocess daemon(
      {kDaemon, "--model-dir", directory_.path(), "--listen", "127.0.0.1:0", "--insecure"});
  ASSERT_TRUE(IsUp(daemon)) << daemon.Stderr();
  const RunResult fetch = RunProgram({kCli, "fetch", "small", "--daemon", ListenAddress(daemon)});
  EXPECT_EQ(fetch.exit_status, 0) << fetch.err;
  EXPECT_THAT(fetch.out, HasSubstr("4 units"));
}

}  // namespace
}  // namespace ecf8
