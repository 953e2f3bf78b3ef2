// Daemons that are killed at random moments, at work or before: what the next one finds, what
// clients are told, and that nothing is left anywhere.
//
//   ECF8_DAEMON_KILLS=200 build/release/bin/daemon_kill_test

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "loader/memory/slot_space.h"
#include "rpc/client.h"
#include "rpc/session_client.h"
#include "tests/rpc/comparing_sink.h"
#include "tests/rpc/comparing_walk.h"
#include "tests/support/open_descriptors.h"
#include "tests/support/status_matchers.h"
#include "tests/support/wait.h"
#include "tests/tools/service_fixture.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

using ::ecf8::testing::CompareSet;
using ::ecf8::testing::ComparingSink;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::kCli;
using ::ecf8::testing::kDaemon;
using ::ecf8::testing::OpenDescriptors;
using ::ecf8::testing::RunProgram;
using ::ecf8::testing::Subprocess;
using ::ecf8::testing::TensorBytes;
using ::ecf8::testing::Within20s;
using std::chrono::microseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSubsetOf;
using ::testing::Not;

int Kills(int by_default) {
  const char* const text = std::getenv("ECF8_DAEMON_KILLS");
  return text != nullptr ? std::atoi(text) : by_default;
}

class DaemonKillTest : public testing::ServiceTest {
 protected:
  using Clients = std::vector<std::thread>;

  DaemonKillTest() {
    first_ = testing::MakeCompressedModel(directory_.path(), "first",
                                          {.layers = 8, .projection_rows = 2500});
    second_ = testing::MakeCompressedModel(directory_.path(), "second",
                                           {.layers = 2, .experts = 4, .expert_rows = 256});
    for (const char* const name : {"first", "second"}) {
      fs::create_directories(root_);
      fs::rename(directory_ / name, root_ + "/" + name);
    }
  }

  // Memory for half of the first model, slots for a session and a little more.
  std::unique_ptr<Subprocess> StartDaemon() {
    return StartAsService({"--model-dir", root_ + "/first", "--model-root", root_, "--host-budget",
                           "14MiB", "--slot-budget", "28MiB", "--heat-dir", directory_ / "heat"});
  }
  std::unique_ptr<WeightClient> Connect() const {
    auto client = WeightClient::Connect({.socket_path = socket_}, std::chrono::seconds(60));
    EXPECT_THAT(client, IsOk());
    return client.ok() ? *std::move(client) : nullptr;
  }

  // The daemon serves what it should, and what it has taken over is good.
  void ExpectServesFirst() {
    const auto client = Connect();
    ASSERT_NE(client, nullptr);
    const auto models = client->ListModels();
    ASSERT_THAT(models, IsOk());
    ASSERT_EQ(models->size(), 1u);
    EXPECT_EQ(models->front().name(), "first");
    EXPECT_EQ(models->front().digest(), testing::OpenModel(root_ + "/first")->digest());
    for (const v1::Form form : {v1::FORM_DECODED, v1::FORM_STORED}) {
      EXPECT_THAT(Fetch(*client, "first", form), IsOk());
    }
    const auto status = client->GetStatus();
    ASSERT_THAT(status, IsOk());
    kept_units_ += status->kept().units();
    EXPECT_EQ(status->kept().bad_units(), 0u) << "the ledger has told of what was not there";
    EXPECT_EQ(status->pipeline().failed_units(), 0u);
  }

  absl::Status Fetch(WeightClient& client, const std::string& model, v1::Form form) const {
    v1::FetchRequest request;
    request.set_model(model);
    request.set_form(form);
    ComparingSink sink(model == "first" ? first_ : second_);
    return client.Fetch(request, /*verify=*/true, sink);
  }

  // How a call has ended: whether its client goes on. Where there was no room it does.
  bool GoesOn(const absl::Status& status, const char* what) {
    if (status.ok() || absl::IsResourceExhausted(status)) return !killed_;
    EXPECT_TRUE(absl::IsUnavailable(status) && killed_) << what << ": " << status;
    return false;
  }

  // What the daemon is at when it is killed: every client until its daemon is gone.
  Clients StartClients() {
    Clients clients;
    for (void (DaemonKillTest::*const work)(WeightClient&) :
         {&DaemonKillTest::FetchUntilKilled, &DaemonKillTest::WalkUntilKilled,
          &DaemonKillTest::PreloadUntilKilled, &DaemonKillTest::AddAndRemoveUntilKilled}) {
      clients.emplace_back([this, work, client = Connect()] { (this->*work)(*client); });
    }
    return clients;
  }

  void FetchUntilKilled(WeightClient& client) {
    while (GoesOn(Fetch(client, "first", v1::FORM_DECODED), "a fetch")) {
    }
  }

  void WalkUntilKilled(WeightClient& client) {
    absl::Status status;
    do {
      auto session = SessionClient::Open(
          client, {.socket_path = socket_},
          {.model = "first", .cyclic = true, .depth = 1, .slot_bytes = 8 * kSlotPageBytes});
      status = session.status();
      for (uint32_t unit = 0; status.ok() && unit < (*session)->units().size(); ++unit) {
        auto set = (*session)->Acquire({unit});
        status = set.status();
        if (!status.ok()) break;
        // The slots are mapped, whatever becomes of the daemon meanwhile.
        uint64_t bytes = 0;
        EXPECT_THAT(CompareSet(**session, *set, first_, &bytes), IsOk());
        EXPECT_THAT(set->Check(), IsOk());
        status = set->Release();
      }
    } while (GoesOn(status, "a session"));
  }

  void PreloadUntilKilled(WeightClient& client) {
    v1::PreloadRequest request;
    request.mutable_units()->set_model("first");
    request.mutable_units()->add_units("layers.0");
    request.set_pin(true);
    bool in_slots = false;
    absl::Status status;
    do {
      request.mutable_units()->set_tier(in_slots ? v1::MEMORY_TIER_SLOTS : v1::MEMORY_TIER_HOST);
      in_slots = !in_slots;
      status = client.Preload(request, [](const v1::PreloadProgress&) {}).status();
      if (status.ok()) status = client.Unpin(request.units()).status();
    } while (GoesOn(status, "a preload"));
  }

  void AddAndRemoveUntilKilled(WeightClient& client) {
    absl::Status status;
    do {
      status = client.AddModel("second", "").status();
      if (status.ok()) status = Fetch(client, "second", v1::FORM_DECODED);
      if (status.ok()) status = client.RemoveModel("second", "").status();
    } while (GoesOn(status, "adding and removing"));
  }

  void Kill(Subprocess& daemon) {
    killed_ = true;
    daemon.Signal(SIGKILL);
    EXPECT_EQ(daemon.Wait(), -SIGKILL) << daemon.Stderr();
  }

  // Of the test's directory: what is in it that was not made by the test.
  std::set<std::string> LeftFiles() const {
    std::set<std::string> left;
    for (const auto& entry : fs::directory_iterator(directory_.path())) {
      left.insert(entry.path().filename().string());
    }
    for (const auto& entry : fs::directory_iterator(root_)) {
      left.insert("models/" + entry.path().filename().string());
    }
    for (const std::string made : {"first.plain", "second.plain", "small", "small.plain", "models",
                                   "models/first", "models/second", "notify", "heat"}) {
      left.erase(made);
    }
    return left;
  }

  const std::string root_ = directory_ / "models";
  TensorBytes first_, second_;
  std::atomic<bool> killed_ = false;
  uint64_t kept_units_ = 0;
};

TEST_F(DaemonKillTest, LeavesNothingButWhatTheNextOneCanUse) {
  std::mt19937 random(1);
  const int kills = Kills(6);
  int at_work = 0;
  size_t descriptors = 0;
  for (int i = 0; i < kills; ++i) {
    killed_ = false;
    const auto daemon = StartDaemon();
    if (i % 5 == 4) {  // before it serves
      std::this_thread::sleep_for(microseconds(random() % 60'000));
      Kill(*daemon);
      continue;
    }
    ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
    ExpectServesFirst();
    Clients clients = StartClients();
    std::this_thread::sleep_for(microseconds(random() % 150'000));
    Kill(*daemon);
    ++at_work;
    for (std::thread& client : clients) client.join();
    EXPECT_THAT(LeftFiles(),
                IsSubsetOf({"s.sock", "s.sock.lock", "s.sock.slots", "s.sock.slots.lock"}));
    EXPECT_THAT(testing::ReadFile("/proc/self/maps"), Not(HasSubstr("memfd:ecf8")));
    manager_.Hear();
    EXPECT_THAT(manager_.Names(), ElementsAre("ecf8-arena", "ecf8-ledger"));
    if (at_work == 1) descriptors = OpenDescriptors();
  }
  EXPECT_TRUE(Within20s([&] { return OpenDescriptors() <= descriptors; }))
      << OpenDescriptors() << " now, " << descriptors << " after the first";

  const auto daemon = StartDaemon();
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  ExpectServesFirst();
  daemon->Signal(SIGTERM);
  EXPECT_EQ(daemon->Wait(), 0) << daemon->Stderr();
  EXPECT_THAT(LeftFiles(), IsEmpty());
  std::printf("%d daemons killed, %d of them at work; %llu units were kept\n", kills, at_work,
              static_cast<unsigned long long>(kept_units_));
}

// Into a directory that a daemon watches: no half of a model is ever served, and what a killed one
// has built goes with the next.
TEST_F(DaemonKillTest, AKilledCompressLeavesNothingToTheNext) {
  const auto daemon = StartWith({"--model-root", root_, "--watch-models"});
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  const std::vector<std::string> arguments = {kCli, "compress", directory_ / "first.plain",
                                              root_ + "/third"};
  constexpr size_t kSockets = 4;
  std::mt19937 random(2);
  int left_behind = 0;
  for (int i = 0; i < Kills(6); ++i) {
    Subprocess compress(arguments);
    std::this_thread::sleep_for(microseconds(random() % 120'000));
    compress.Signal(SIGKILL);
    compress.Wait();
    if (fs::exists(root_ + "/third")) {  // it was faster: then it is whole
      EXPECT_EQ(RunProgram({kCli, "verify", root_ + "/third"}).exit_status, 0);
      fs::remove_all(root_ + "/third");
    }
    left_behind += LeftFiles().size() > kSockets ? 1 : 0;
  }
  const auto compressed = RunProgram(arguments);
  ASSERT_EQ(compressed.exit_status, 0) << compressed.err;
  EXPECT_THAT(LeftFiles(), ElementsAre("models/third", "s.sock", "s.sock.lock", "s.sock.slots",
                                       "s.sock.slots.lock"));
  const auto client = Connect();
  ComparingSink sink(first_);
  v1::FetchRequest request;
  request.set_model("third");
  request.set_form(v1::FORM_DECODED);
  EXPECT_TRUE(Within20s([&] { return client->Fetch(request, true, sink).ok(); }))
      << daemon->Stderr();
  EXPECT_THAT(daemon->Stderr(), Not(HasSubstr("is not served")));
  std::printf("%d compressions killed, %d of them with something to leave\n", Kills(6),
              left_behind);
}

}  // namespace
}  // namespace ecf8
