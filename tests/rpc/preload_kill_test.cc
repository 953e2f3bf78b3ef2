// Clients that are killed while they preload, and engines that are killed in resident sessions.
//
//   ECF8_SESSION_KILLS=500 build/release/bin/rpc_faults_test --gtest_filter='PreloadKill*'

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "loader/memory/slot_space.h"
#include "rpc/session_client.h"
#include "tests/rpc/test_server.h"
#include "tests/support/open_descriptors.h"
#include "tests/support/shard_faults.h"
#include "tests/support/status_matchers.h"
#include "tests/support/subprocess.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::OpenDescriptors;
using ::ecf8::testing::Subprocess;
using ::ecf8::testing::TestServer;
using ::ecf8::testing::Within20s;
using Clock = std::chrono::steady_clock;

const std::string kCli = ECF8_BINARY_DIR "/bin/ecf8";

int Kills() {
  const char* const text = std::getenv("ECF8_SESSION_KILLS");
  return text != nullptr ? std::atoi(text) : 8;
}

class PreloadKillTest : public ::testing::Test {
 protected:
  void TearDown() override { faults_.LetGo(); }

  EngineOptions Options() {
    EngineOptions options = testing::SmallEngine();
    options.slot_budget_bytes = 20 * kSlotPageBytes;
    options.reader.backend = BlockReaderBackend::kThreads;
    options.reader.calls = &faults_;
    return options;
  }
  const Engine& engine() const { return server_.engine(); }

  bool NobodyIsThere() {
    return server_.server().preload_count() == 0 && server_.server().session_count() == 0 &&
           engine().stats().requests == 0 &&
           server_.server().slot_socket()->connection_count() == 0 &&
           engine().slot_grants().granted_bytes() == 0;
  }
  uint64_t PinnedUnits() const {
    uint64_t units = 0;
    for (const PinnedModel& pinned : engine().pins()) units += pinned.pinned.units;
    return units;
  }
  // Cold again.
  void UnpinAndEvict() {
    v1::UnitsInTier units;
    units.set_model("small");
    ASSERT_THAT(client_->Unpin(units), IsOk());
    ASSERT_TRUE(Within20s([&] { return PinnedUnits() == 0; }));
    // What was on its way may arrive yet.
    ASSERT_TRUE(Within20s([&] {
      EXPECT_THAT(client_->Evict(units), IsOk());
      const EngineStats stats = engine().stats();
      return stats.host.free_bytes == stats.host.capacity_bytes &&
             stats.slots.free_bytes == stats.slots.capacity_bytes;
    }));
    EXPECT_EQ(engine().slot_grants().free_bytes(), 20 * kSlotPageBytes);
  }

  testing::ShardFaults faults_;
  TestServer server_{{.layers = 8, .projection_rows = 2500}, Options()};
  const std::unique_ptr<WeightClient> client_ = server_.Connect();
};

TEST_F(PreloadKillTest, AKilledPreloadLeavesNoTrace) {
  std::mt19937 random(1);
  size_t descriptors = 0;
  double slowest_ms = 0;
  int in_preload = 0;
  for (int i = 0; i < Kills(); ++i) {
    // Two of three are killed while their reads are on the way, the others wherever they are.
    const bool held = i % 3 != 0;
    if (held) faults_.Hold();
    Subprocess client({kCli, "preload", "small", "--daemon", server_.address().ToString(), "--tier",
                       i % 2 == 0 ? "slots" : "host", "--pin"});
    if (held) {
      ASSERT_TRUE(Within20s([&] { return engine().stats().requests > 0; })) << client.Stderr();
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 40'000));
    in_preload += server_.server().preload_count() > 0 ? 1 : 0;
    client.Signal(SIGKILL);
    client.Wait();
    const Clock::time_point killed = Clock::now();
    ASSERT_TRUE(Within20s([&] { return NobodyIsThere(); }));
    slowest_ms = std::max(slowest_ms,
                          std::chrono::duration<double, std::milli>(Clock::now() - killed).count());
    if (held) {
      EXPECT_TRUE(Within20s([&] { return PinnedUnits() == 0; }));
    } else {
      // It may have done its work.
      EXPECT_TRUE(Within20s(
          [&] { return PinnedUnits() == 0 || PinnedUnits() == server_.model().unit_count(); }));
    }
    faults_.LetGo();
    ASSERT_TRUE(Within20s([&] { return engine().stats().reads_in_flight == 0; }));
    UnpinAndEvict();
    if (i == 0) descriptors = OpenDescriptors();
  }
  EXPECT_TRUE(Within20s([&] { return OpenDescriptors() <= descriptors; }))
      << OpenDescriptors() << " now, " << descriptors << " before";
  std::printf("%d killed, %d of them while they preloaded; all was back after at most %.0f ms\n",
              Kills(), in_preload, slowest_ms);
}

TEST_F(PreloadKillTest, AnEngineThatComesBackFindsItsWeights) {
  std::mt19937 random(2);
  const auto all_units = [&] {
    std::vector<uint32_t> units(server_.model().unit_count());
    std::iota(units.begin(), units.end(), 0u);
    return units;
  };
  double slowest_attach_ms = 0;
  for (int i = 0; i < Kills(); ++i) {
    Subprocess client({kCli, "bench", "offload", "small", "--daemon", server_.address().ToString(),
                       "--resident", "--clients", "2", "--depth", "1", "--passes", "1000000"});
    // Some while it loads, most when it has.
    const bool loaded = i % 3 != 0;
    ASSERT_TRUE(Within20s([&] {
      return loaded ? engine().stats().slots.units == server_.model().unit_count() &&
                          engine().stats().active_units == 0
                    : PinnedUnits() > 0;
    })) << client.Stderr();
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
    client.Signal(SIGKILL);
    client.Wait();
    ASSERT_TRUE(Within20s([&] { return engine().slot_grants().granted_bytes() == 0; }));
    // The daemon goes on loading, whoever is there.
    ASSERT_TRUE(Within20s([&] {
      return engine().stats().slots.units == server_.model().unit_count() &&
             engine().stats().requests == 0;
    }));
    EXPECT_EQ(PinnedUnits(), server_.model().unit_count());
    const EngineStats before = engine().stats();
    const Clock::time_point begin = Clock::now();
    auto session =
        SessionClient::Open(*client_, server_.address(), {.model = "small", .resident = true});
    ASSERT_THAT(session, IsOk());
    auto set = (*session)->Acquire(all_units());
    ASSERT_THAT(set, IsOk());
    const double ms = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
    slowest_attach_ms = std::max(slowest_attach_ms, ms);
    for (const v1::Unit& unit : (*session)->units()) {
      for (int t = 0; t < unit.tensors_size(); ++t) {
        const absl::Span<const uint8_t> bytes = set->tensor(unit.index(), t);
        EXPECT_EQ(std::string(bytes.begin(), bytes.end()),
                  server_.tensors()
                      .at(unit.tensors(t).name())
                      .substr(unit.tensors(t).tensor_offset_bytes(), bytes.size()));
      }
    }
    EXPECT_THAT(set->Release(), IsOk());
    session->reset();
    EXPECT_EQ(engine().stats().read_bytes, before.read_bytes);
    EXPECT_EQ(engine().stats().decoded_bytes, before.decoded_bytes);
    ASSERT_TRUE(Within20s([&] { return NobodyIsThere(); }));
    UnpinAndEvict();
  }
  std::printf("%d killed; the next had its weights after at most %.1f ms\n", Kills(),
              slowest_attach_ms);
}

}  // namespace
}  // namespace ecf8
