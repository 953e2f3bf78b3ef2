// Clients that are slow, stopped or killed, beside others that are not: what the others lose.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/rpc/test_server.h"
#include "tests/support/heap_bytes.h"
#include "tests/support/shard_faults.h"
#include "tests/support/status_matchers.h"
#include "tests/support/subprocess.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::CollectingSink;
using ::ecf8::testing::HeapBytes;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::Request;
using ::ecf8::testing::SettledHeapBytes;
using ::ecf8::testing::ShardFaults;
using ::ecf8::testing::SlowClient;
using ::ecf8::testing::SmallModelOptions;
using ::ecf8::testing::Subprocess;
using ::ecf8::testing::TestServer;
using ::ecf8::testing::Within20s;

// Eight layers of 5 MB: more than any buffer between a server and a client that does not read.
constexpr SmallModelOptions kLarge{.layers = 8, .projection_rows = 5000};

class ClientFaultsTest : public ::testing::Test {
 protected:
  // Room for three layers in each tier: as much as one client holds, with what it is sent next.
  EngineOptions TightEngine() {
    EngineOptions options = testing::SmallEngine();
    options.host_budget_bytes = 18 << 20;
    options.slot_budget_bytes = 20 << 20;
    options.reader.backend = BlockReaderBackend::kThreads;
    options.reader.calls = &faults_;
    return options;
  }

  void TearDown() override { faults_.LetGo(); }
  void SetUp() override { server_ = std::make_unique<TestServer>(kLarge, TightEngine()); }

  // A fetch of the whole model by a client without fault.
  void FetchAll() const {
    const auto client = server_->Connect();
    CollectingSink sink;
    EXPECT_THAT(client->Fetch(Request(v1::FORM_DECODED), false, sink), IsOk());
    EXPECT_EQ(sink.tensors, server_->tensors());
  }

  // A process that fetches the whole model.
  std::unique_ptr<Subprocess> StartFetch() const {
    return std::make_unique<Subprocess>(std::vector<std::string>{
        ECF8_BINARY_DIR "/bin/ecf8", "fetch", "small", "--daemon", server_->address().ToString()});
  }

  // Everything is given back: no stream, no hold.
  bool WaitUntilNobodyHolds() const {
    return server_->WaitForStreams(0) &&
           Within20s([&] { return server_->engine().stats().requests == 0; });
  }

  ShardFaults faults_;
  std::unique_ptr<TestServer> server_;
};

// Without revoking, the first to stop reading would keep the memory, and the others out. What a
// client has lost it does not ask for until it reads: so it cannot be in the way again.
TEST_F(ClientFaultsTest, ClientsThatDoNotReadLoseTheirMemoryToThoseThatDo) {
  std::vector<std::unique_ptr<SlowClient>> slow;
  for (int i = 0; i < 3; ++i) {
    slow.push_back(server_->FetchSlowly());
    ASSERT_TRUE(slow.back()->ReadOne());
  }
  ASSERT_TRUE(server_->WaitForStreams(slow.size()));
  for (int i = 0; i < 3; ++i) FetchAll();
  EXPECT_GT(server_->engine().stats().revoked_holds, 0u);
  // Nor does anybody have to read again what the slow ones have pushed out: on a busy machine some,
  // where a client was not seen to read for too long.
  const uint64_t read_bytes = server_->engine().stats().read_bytes;
  FetchAll();
  uint64_t model_bytes = 0;
  for (const Shard& shard : server_->model().shards()) model_bytes += shard.size_bytes;
  EXPECT_LE(server_->engine().stats().read_bytes - read_bytes, 2 * model_bytes);
  // And they lose nothing but time.
  for (const auto& client : slow) EXPECT_THAT(client->ReadToTheEnd(), IsOk());
  EXPECT_TRUE(WaitUntilNobodyHolds());
}

// The kernel goes on taking bytes for it until its buffers are full; then its stream stands still.
TEST_F(ClientFaultsTest, AStoppedProcessCostsNobodyAnything) {
  FetchAll();
  const size_t before = SettledHeapBytes();
  faults_.Hold();
  std::vector<std::unique_ptr<Subprocess>> stopped;
  for (size_t i = 0; i < 2; ++i) {
    stopped.push_back(StartFetch());
    ASSERT_TRUE(server_->WaitForStreams(i + 1));
    stopped.back()->Signal(SIGSTOP);
  }
  faults_.LetGo();
  FetchAll();
  EXPECT_LT(SettledHeapBytes(), before + stopped.size() * (6u << 20));
  EXPECT_EQ(server_->server().stream_count(), stopped.size());

  stopped[0]->Signal(SIGCONT);
  EXPECT_EQ(stopped[0]->Wait(), 0) << stopped[0]->Stderr();
  stopped[1]->Signal(SIGKILL);
  EXPECT_TRUE(WaitUntilNobodyHolds());
  FetchAll();
}

TEST_F(ClientFaultsTest, AProcessThatDiesGivesEverythingBack) {
  for (int i = 0; i < 10; ++i) {
    const auto dying = StartFetch();
    ASSERT_TRUE(server_->WaitForStreams(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(3 * i));
    dying->Signal(SIGKILL);
    FetchAll();
    EXPECT_TRUE(WaitUntilNobodyHolds());
  }
}

}  // namespace
}  // namespace ecf8
