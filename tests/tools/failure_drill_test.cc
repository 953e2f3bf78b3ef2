// What an operator tries before a daemon is trusted: shards that go, the wrong end, another
// version's configuration.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "loader/base/mutex.h"
#include "loader/model/error_info.h"
#include "rpc/client.h"
#include "tests/rpc/comparing_sink.h"
#include "tests/support/sanitizer.h"
#include "tests/support/status_matchers.h"
#include "tests/support/wait.h"
#include "tests/tools/daemon_fixture.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

using ::ecf8::testing::ComparingSink;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::kDaemon;
using ::ecf8::testing::RunResult;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::TensorBytes;
using ::testing::HasSubstr;
using ::testing::Not;

class FailureDrillTest : public testing::DaemonTest {
 protected:
  FailureDrillTest() {
    layers_ = testing::MakeCompressedModel(
        directory_.path(), "layers",
        {.layers = 8, .projection_rows = 2500, .shard_size_bytes = 6'000'000});
  }

  std::unique_ptr<testing::Subprocess> StartDaemon(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"--model-dir", directory_ / "layers", "--host-budget", "32MiB"});
    return StartWith(std::move(more));
  }
  std::unique_ptr<WeightClient> Connect() const {
    auto client = WeightClient::Connect({.socket_path = socket_}, std::chrono::seconds(60));
    EXPECT_THAT(client, IsOk());
    return client.ok() ? *std::move(client) : nullptr;
  }
  static v1::FetchRequest Request(const std::vector<std::string>& units = {}) {
    v1::FetchRequest request;
    request.set_model("layers");
    request.set_form(v1::FORM_DECODED);
    request.mutable_units()->Add(units.begin(), units.end());
    return request;
  }
  absl::Status Fetch(const std::vector<std::string>& units = {}) const {
    ComparingSink sink(layers_);
    return Connect()->Fetch(Request(units), /*verify=*/true, sink);
  }
  static void ExpectStops(testing::Subprocess& daemon) {
    daemon.Signal(SIGTERM);
    EXPECT_EQ(daemon.Wait(), 0) << daemon.Stderr();
  }

  TensorBytes layers_;
};

// What is open is served on.
TEST_F(FailureDrillTest, AShardIsDeletedUnderTheDaemon) {
  const auto daemon = StartDaemon();
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  for (const auto& entry : fs::directory_iterator(directory_ / "layers")) {
    if (entry.path().extension() == ".safetensors") fs::remove(entry.path());
  }
  EXPECT_THAT(Fetch(), IsOk());
  ExpectStops(*daemon);
  const auto again = StartDaemon();
  EXPECT_EQ(again->Wait(), 1);
}

// Units that are cut off fail, with shard and offset; all others come, and these when the shard is
// whole again.
TEST_F(FailureDrillTest, AShardIsTruncatedUnderTheDaemon) {
  const auto model = testing::OpenModel(directory_ / "layers");
  const uint32_t layer = *model->FindUnit("layers.4");
  const std::string shard = model->shard_of(layer).file_name;
  const std::string path = directory_ / ("layers/" + shard);
  const std::string bytes = testing::ReadFile(path);
  const auto daemon = StartDaemon();
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  fs::resize_file(path, model->unit(layer).offset_bytes + 100'000);
  for (uint32_t i = 0; i < model->unit_count(); ++i) {
    const Unit& unit = model->unit(i);
    const absl::Status status = Fetch({unit.id});
    const bool is_cut = model->shard_of(i).file_name == shard &&
                        unit.offset_bytes + unit.stored_size_bytes > fs::file_size(path);
    if (!is_cut) {
      EXPECT_THAT(status, IsOk()) << unit.id;
      continue;
    }
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(shard))) << unit.id;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr(directory_.path())));
    EXPECT_EQ(GetErrorInfo(status)->shard, shard);
  }
  EXPECT_THAT(Fetch({"layers.4"}), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(shard)));
  testing::WriteFile(path, bytes);  // the same file, so that what is open sees it
  EXPECT_THAT(Fetch(), IsOk());
  ExpectStops(*daemon);
}

// A fetch that reads nothing more until it is told to.
class PausedSink final : public FetchSink {
 public:
  explicit PausedSink(const ::ecf8::testing::TensorBytes& expected) : inner_(expected) {}

  absl::Status UnitBegin(const v1::Unit& /*unit*/) override {
    MutexLock lock(mutex_);
    begun_ = true;
    while (!let_go_) changed_.Wait(lock);
    return absl::OkStatus();
  }
  absl::Status UnitData(uint64_t /*offset_bytes*/, std::string_view /*data*/) override {
    return absl::OkStatus();
  }
  absl::Status TensorBytes(const v1::Tensor& tensor, uint64_t offset_bytes,
                           absl::Span<const uint8_t> bytes) override {
    return inner_.TensorBytes(tensor, offset_bytes, bytes);
  }
  absl::Status UnitEnd() override { return absl::OkStatus(); }

  bool begun() {
    MutexLock lock(mutex_);
    return begun_;
  }
  void LetGo() {
    MutexLock lock(mutex_);
    let_go_ = true;
    changed_.NotifyAll();
  }

 private:
  ComparingSink inner_;
  Mutex mutex_;
  CondVar changed_;
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  bool let_go_ ABSL_GUARDED_BY(mutex_) = false;
};

// Fifty of them, which have begun.
class Transfers {
 public:
  static constexpr int kCount = 50;

  template <typename Connect>
  Transfers(const TensorBytes& expected, const v1::FetchRequest& request, const Connect& connect) {
    for (int i = 0; i < kCount; ++i) {
      sinks_.push_back(std::make_unique<PausedSink>(expected));
      clients_.push_back(connect());
    }
    statuses_.resize(kCount);
    for (size_t i = 0; i < kCount; ++i) {
      threads_.emplace_back([this, i, request] {
        statuses_[i] = clients_[i]->Fetch(request, /*verify=*/true, *sinks_[i]);
      });
    }
  }
  ~Transfers() { End(); }

  bool AllHaveBegun() const {
    return testing::Within(std::chrono::seconds(60), [&] {
      for (const auto& sink : sinks_) {
        if (!sink->begun()) return false;
      }
      return true;
    });
  }
  void LetGo() {
    for (const auto& sink : sinks_) sink->LetGo();
  }
  // How each has ended.
  const std::vector<absl::Status>& End() {
    LetGo();
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
    return statuses_;
  }

 private:
  std::vector<std::unique_ptr<PausedSink>> sinks_;
  std::vector<std::unique_ptr<WeightClient>> clients_;
  std::vector<absl::Status> statuses_;
  std::vector<std::thread> threads_;
};

TEST_F(FailureDrillTest, SigtermLetsFiftyTransfersGoOnToTheirEnds) {
  const auto daemon = StartDaemon({"--drain-timeout-ms", "120000"});
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  Transfers transfers(layers_, Request(), [&] { return Connect(); });
  ASSERT_TRUE(transfers.AllHaveBegun()) << daemon->Stderr();
  daemon->Signal(SIGTERM);
  ASSERT_TRUE(daemon->Says("draining 50 streams")) << daemon->Stderr();
  for (const absl::Status& status : transfers.End()) EXPECT_THAT(status, IsOk());
  EXPECT_EQ(daemon->Wait(std::chrono::seconds(120)), 0) << daemon->Stderr();
  EXPECT_THAT(daemon->Stderr(), HasSubstr("stopped\n"));
}

// They read on only when the daemon has gone.
TEST_F(FailureDrillTest, SigtermEndsFiftyTransfersThatStandStill) {
  const auto daemon = StartDaemon({"--drain-timeout-ms", "500"});
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  Transfers transfers(layers_, Request(), [&] { return Connect(); });
  ASSERT_TRUE(transfers.AllHaveBegun()) << daemon->Stderr();
  daemon->Signal(SIGTERM);
  EXPECT_EQ(daemon->Wait(), 0) << daemon->Stderr();
  EXPECT_THAT(daemon->Stderr(), HasSubstr("stopped, with streams cut short"));
  for (const absl::Status& status : transfers.End()) {
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  }
}

// While clients fetch, hold sessions and record: nobody notices.
TEST_F(FailureDrillTest, TheClockIsSetWhileTheDaemonServes) {
  if (testing::kAddressSanitizer) GTEST_SKIP() << "AddressSanitizer wants to be loaded first";
  const std::string shift = directory_ / "shift";
  testing::WriteFile(shift, "0");
  testing::Subprocess daemon(
      {kDaemon, "--listen", "unix:" + socket_, "--model-dir", directory_ / "layers",
       "--host-budget", "32MiB", "--slot-budget", "64MiB"},
      {.environment = {"LD_PRELOAD=" ECF8_SHIFTED_CLOCK, "ECF8_SHIFTED_CLOCK=" + shift}});
  ASSERT_TRUE(IsUp(daemon)) << daemon.Stderr();
  testing::Subprocess walker({testing::kCli, "bench", "offload", "layers", "--layers", "--daemon",
                              "unix:" + socket_, "--slots", "32MiB", "--passes", "1000000"});
  const std::string trace = directory_ / "a.trace";
  testing::Subprocess recorder(
      {testing::kCli, "trace", "record", "--out", trace, "--daemon", "unix:" + socket_});
  ASSERT_TRUE(recorder.Says("recording into")) << recorder.Stderr();
  uint64_t last_uptime_ms = 0;
  for (const char* const seconds : {"-3600", "7200", "-86400000", "0"}) {
    testing::WriteFile(shift, seconds);
    EXPECT_THAT(Fetch(), IsOk()) << seconds;
    const auto status = Connect()->GetStatus();
    ASSERT_THAT(status, IsOk());
    EXPECT_GE(status->uptime_ms(), last_uptime_ms);
    EXPECT_LT(status->uptime_ms(), 600'000u);
    last_uptime_ms = status->uptime_ms();
    // What is recorded goes on coming.
    const uint64_t size = fs::file_size(trace);
    EXPECT_TRUE(testing::Within20s([&] { return fs::file_size(trace) > size; })) << seconds;
    EXPECT_TRUE(walker.running()) << walker.Stderr();
  }
  testing::WriteFile(shift, "-3600");
  ExpectStops(daemon);
  EXPECT_EQ(recorder.Wait(), 0) << recorder.Stderr();
}

// A version that knows a setting less than the one whose configuration it finds.
TEST_F(FailureDrillTest, AnOlderDaemonNamesWhatItDoesNotKnow) {
  const std::string config = directory_ / "ecf8d.toml";
  testing::WriteFile(config, "host-budget = \"32MiB\"\nmodel-dir = [\"" + (directory_ / "layers") +
                                 "\"]\n# of a later version\nremote-tier = \"s3://weights\"\n");
  const auto daemon = StartWith({"--config", config});
  EXPECT_EQ(daemon->Wait(), 1);
  EXPECT_THAT(daemon->Stderr(), HasSubstr("ecf8d.toml:4: unknown key \"remote-tier\""));
  EXPECT_FALSE(fs::exists(socket_));
}

}  // namespace
}  // namespace ecf8
