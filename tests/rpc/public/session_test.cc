// ClientSession: leases that give themselves back, threads that share one, and how it ends and
// begins again.

#include "ecf8/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/rpc/public/library_fixture.h"
#include "tests/support/settled_engine.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::LibraryTest;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::Within20s;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr uint64_t kSlotPage = 2 << 20;

class ClientSessionTest : public LibraryTest {
 protected:
  ClientSession Open(const Client& client, SessionOptions options = {}) const {
    options.model = "small";
    auto session = client.OpenSession(options);
    EXPECT_THAT(session, IsOk());
    return *std::move(session);
  }
  uint32_t Layer(int layer) const { return *model_->FindUnit("layers." + std::to_string(layer)); }

  // Every tensor of the lease is the checkpoint's.
  static void ExpectRight(const Lease& lease) {
    ASSERT_GT(lease.size(), 0u);
    for (size_t i = 0; i < lease.size(); ++i) {
      for (const TensorInfo& tensor : lease.unit(i).tensors) {
        EXPECT_EQ(Text(lease.tensor(tensor.name)), Tensor(tensor.name)) << tensor.name;
      }
    }
  }
};

TEST_F(ClientSessionTest, WhatKeepsItMappedMayOutliveAll) {
  Start();
  std::shared_ptr<const void> mapping;
  absl::Span<const uint8_t> bytes;
  {
    const Client client = Connect();
    ClientSession session = Open(client);
    EXPECT_EQ(Lease().mapping(), nullptr);
    auto lease = session.Acquire({Layer(1)});
    ASSERT_THAT(lease, IsOk());
    mapping = lease->mapping();
    bytes = lease->bytes(0);
    ASSERT_THAT(lease->Release(), IsOk());
  }
  EXPECT_TRUE(EverythingIsGivenBack());
  // Nobody else has asked for slots.
  Stop();
  EXPECT_EQ(Text(bytes.first(1100 * 1024)), Tensor("model.layers.1.self_attn.q_proj.weight"));
}

TEST_F(ClientSessionTest, ReadsEveryTensorInPlace) {
  Start();
  const Client client = Connect();
  std::vector<uint32_t> walk(model_->unit_count());
  std::iota(walk.begin(), walk.end(), 0u);
  ClientSession session = Open(client, {.walk = walk, .depth = 2});
  EXPECT_EQ(session.model().model.digest, model_->digest());
  for (const uint32_t unit : walk) {
    auto lease = session.Acquire({unit});
    ASSERT_THAT(lease, IsOk());
    EXPECT_EQ(lease->unit(0).index, unit);
    EXPECT_EQ(lease->bytes(0).size(), lease->unit(0).decoded_size_bytes);
    EXPECT_EQ(lease->tensor("none").data(), nullptr);
    ExpectRight(*lease);
    EXPECT_THAT(lease->Check(), IsOk());
    EXPECT_THAT(lease->Release(), IsOk());
    EXPECT_EQ(lease->size(), 0u);
    EXPECT_THAT(lease->Release(), IsOk());
  }
  auto set = session.Acquire({Layer(3), Layer(0)});
  ASSERT_THAT(set, IsOk());
  EXPECT_EQ(set->unit(0).id, "layers.3");
  ExpectRight(*set);
  EXPECT_THAT(session.Hint({Layer(1)}), IsOk());
  EXPECT_THAT(session.Skip(1), IsOk());
  EXPECT_THAT(session.Ping(), IsOk());
  EXPECT_THAT(session.status(), IsOk());
}

TEST_F(ClientSessionTest, GivesTheStoredFormToWhoDecodesHimself) {
  Start();
  const Client client = Connect();
  ClientSession session = Open(client, {.form = Form::kStored});
  for (uint32_t unit = 0; unit < model_->unit_count(); ++unit) {
    auto lease = session.Acquire({unit});
    ASSERT_THAT(lease, IsOk());
    const UnitInfo& info = lease->unit(0);
    ASSERT_EQ(lease->bytes(0).size(), info.stored_size_bytes);
    const auto fetched = client.FetchUnit("small", info.id, Form::kStored);
    ASSERT_THAT(fetched, IsOk());
    // What it takes to decode is the same that comes with a fetch.
    ASSERT_EQ(info.table_sets.size(), fetched->unit.table_sets.size());
    for (const TensorInfo& tensor : info.tensors) {
      const TensorInfo& same = *fetched->unit.FindTensor(tensor.name);
      EXPECT_EQ(tensor.chunk_stored_size_bytes, same.chunk_stored_size_bytes);
      EXPECT_EQ(tensor.chunk_stored_size_bytes.empty(), tensor.stored_size_bytes == 0);
      const absl::Span<const uint8_t> stored = lease->tensor(tensor.name);
      ASSERT_EQ(stored.size(), tensor.stored_size_bytes);
      EXPECT_EQ(stored.data(), lease->bytes(0).data() + tensor.stored_offset_bytes);
      EXPECT_TRUE(Text(stored) == Text(fetched->buffer.bytes())
                                      .substr(tensor.stored_offset_bytes, tensor.stored_size_bytes))
          << tensor.name;
    }
    EXPECT_THAT(lease->Release(), IsOk());
  }
  // After a restart it is the same form again.
  Stop();
  Start();
  EXPECT_FALSE(session.Acquire({0}).ok());
  ASSERT_THAT(session.Reopen(), IsOk());
  auto lease = session.Acquire({Layer(0)});
  ASSERT_THAT(lease, IsOk());
  EXPECT_EQ(lease->bytes(0).size(), lease->unit(0).stored_size_bytes);
}

TEST_F(ClientSessionTest, SlotsInHostMemoryAreNoGpus) {
  Start();
  const Client client = Connect();
  ClientSession session = Open(client);
  EXPECT_FALSE(session.gpu().has_value());
  auto lease = session.Acquire({0});
  ASSERT_THAT(lease, IsOk());
  EXPECT_FALSE(lease->bytes(0).empty());
  EXPECT_TRUE(lease->bytes_dev(0).empty());
  EXPECT_TRUE(lease->tensor_dev(lease->unit(0).tensors[0].name).empty());
  EXPECT_THAT(lease->ReleaseAfter(nullptr),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not a GPU's")));
  EXPECT_EQ(lease->size(), 1u);
  EXPECT_THAT(lease->Release(), IsOk());
}

TEST_F(ClientSessionTest, LeasesGiveThemselvesBack) {
  Start();
  const Client client = Connect();
  ClientSession session = Open(client, {.slot_bytes = kSlotPage});
  for (int i = 0; i < 40; ++i) {  // room for one, and 16 sets at most
    Lease lease;
    auto taken = session.Acquire({Layer(i % 4)});
    ASSERT_THAT(taken, IsOk());
    lease = *std::move(taken);
    ExpectRight(lease);
  }
  std::vector<Lease> leases;
  leases.push_back(*session.Acquire({Layer(0)}));
  leases[0] = Lease();
  EXPECT_THAT(session.Acquire({Layer(1)}), IsOk());
}

TEST_F(ClientSessionTest, WhatIsWaitedForMayBeWaitedForAgainOrGivenUp) {
  Start();
  const Client client = Connect();
  ClientSession session = Open(client, {.slot_bytes = kSlotPage});
  faults_.Hold();
  auto pending = session.StartAcquire({Layer(0)});
  ASSERT_THAT(pending, IsOk());
  EXPECT_EQ(pending->Wait({.timeout = milliseconds(20)}).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  const Cancellation cancellation;
  cancellation.Cancel();
  EXPECT_EQ(pending->Wait({.cancellation = &cancellation}).status().code(),
            absl::StatusCode::kCancelled);
  faults_.LetGo();
  {
    auto lease = pending->Wait();
    ASSERT_THAT(lease, IsOk());
    ExpectRight(*lease);
    EXPECT_THAT(pending->Wait(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nothing is waited for")));
    // Beside it there is no room: this waits, and is given up.
    EXPECT_EQ(session.Acquire({Layer(1)}, {.timeout = milliseconds(20)}).status().code(),
              absl::StatusCode::kDeadlineExceeded);
    { const auto dropped = session.StartAcquire({Layer(2)}); }
  }
  for (int i = 0; i < 40; ++i) EXPECT_THAT(session.Acquire({Layer(3)}), IsOk());
}

TEST_F(ClientSessionTest, ManyThreadsMayUseIt) {
  Start();
  const Client client = Connect();
  ClientSession session = Open(client, {.slot_bytes = 8 * kSlotPage});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 25; ++round) {
        auto lease = session.Acquire({Layer((i + round) % 4), Layer((i + round + 1) % 4)});
        ASSERT_THAT(lease, IsOk());
        ExpectRight(*lease);
        EXPECT_THAT(session.Ping(), IsOk());
        if (round % 2 == 0) lease = Lease();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ClientSessionTest, ExchangesALeaseForTheNext) {
  Start();
  const Client client = Connect();
  ClientSession session = Open(client);
  Lease lease;  // of nothing: the first is just asked for
  for (uint32_t i = 0; i < 10; ++i) {
    auto next = session.Exchange(lease, {Layer(i % 8)});
    ASSERT_THAT(next, IsOk());
    EXPECT_EQ(lease.size(), 0u);
    auto leased = next->Wait();
    ASSERT_THAT(leased, IsOk());
    lease = *std::move(leased);
    ExpectRight(lease);
  }
  // Of another session, it is given back there.
  ClientSession other = Open(client);
  EXPECT_THAT(other.Exchange(lease, {Layer(0)}), IsOk());
  EXPECT_EQ(lease.size(), 0u);
  // Where the session has ended, that is all there is to say.
  auto kept = session.Acquire({Layer(1)});
  ASSERT_THAT(kept, IsOk());
  session.Cancel();
  EXPECT_EQ(session.Ping().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(session.Exchange(*kept, {Layer(2)}).status().code(), absl::StatusCode::kCancelled);
}

// A client that comes again, as an engine that was restarted, finds all of it where it was.
TEST_F(ClientSessionTest, AResidentModelOutlivesItsClients) {
  Start();
  std::vector<uint32_t> units(model_->unit_count());
  std::iota(units.begin(), units.end(), 0u);
  {
    const Client client = Connect();
    ClientSession session = Open(client, {.resident = true});
    EXPECT_EQ(session.slot_bytes(), 0u);
    const auto lease = session.Acquire(units);
    ASSERT_THAT(lease, IsOk());
    ExpectRight(*lease);
  }
  EXPECT_TRUE(testing::WaitUntilSettled(server_->engine()));
  const EngineStats before = server_->engine().stats();
  const Client client = Connect();
  ClientSession session = Open(client, {.resident = true});
  const auto lease = session.Acquire(units);
  ASSERT_THAT(lease, IsOk());
  ExpectRight(*lease);
  EXPECT_EQ(server_->engine().stats().read_bytes, before.read_bytes);
  EXPECT_EQ(server_->engine().stats().decoded_bytes, before.decoded_bytes);
}

TEST_F(ClientSessionTest, SaysWhatIsMissing) {
  Start();
  const Client client = Connect();
  ClientSession session = Open(client, {.slot_bytes = kSlotPage});
  EXPECT_EQ(session.slot_bytes(), kSlotPage);
  const auto set = session.Acquire({Layer(0), Layer(1)});
  EXPECT_EQ(set.status().code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(GetErrorDetail(set.status()).has_value());
  EXPECT_EQ(GetErrorDetail(set.status())->reason, ErrorDetail::Reason::kBudgetTooSmall);
  EXPECT_EQ(GetErrorDetail(set.status())->shortfall_bytes, kSlotPage);
  const auto refused = client.OpenSession({.model = "small", .slot_bytes = 32 << 20});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetErrorDetail(refused.status())->shortfall_bytes, kSlotPage);
  EXPECT_THAT(client.OpenSession({.model = "small", .digest = "0123456789abcdef"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("other weights")));
  EXPECT_EQ(client.OpenSession({.model = "none"}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ClientSessionTest, CancelEndsItForEverybody) {
  Start();
  const Client client = Connect();
  ClientSession session = Open(client);
  faults_.Hold();
  std::thread waiter([&] {
    EXPECT_EQ(session.Acquire({Layer(0)}).status().code(), absl::StatusCode::kCancelled);
  });
  std::this_thread::sleep_for(milliseconds(20));
  session.Cancel();
  waiter.join();
  EXPECT_EQ(session.Ping().code(), absl::StatusCode::kCancelled);
  faults_.LetGo();
  EXPECT_THAT(session.Reopen(), IsOk());
  EXPECT_THAT(session.Acquire({Layer(0)}), IsOk());
}

TEST_F(ClientSessionTest, EndsWithItsLeasesStillMapped) {
  Start();
  const Client client = Connect();
  std::optional<ClientSession> session = Open(client);
  auto lease = session->Acquire({Layer(1)});
  ASSERT_THAT(lease, IsOk());
  faults_.Hold();  // or the second may be ready before the session ends
  auto pending = session->StartAcquire({Layer(2)});
  ASSERT_THAT(pending, IsOk());
  session.reset();
  faults_.LetGo();
  EXPECT_TRUE(EverythingIsGivenBack());
  ExpectRight(*lease);  // nobody has taken its place yet
  EXPECT_THAT(lease->Check(), IsOk());
  EXPECT_EQ(lease->Release().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(pending->Wait().status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(ClientSessionTest, IsOpenedAgainAfterARestart) {
  Start();
  const Client client = Connect({.retry_for = milliseconds(20'000)});
  ClientSession session = Open(client, {.walk = {Layer(0), Layer(1)}, .depth = 1});
  auto lease = session.Acquire({Layer(0)});
  ASSERT_THAT(lease, IsOk());
  EXPECT_THAT(session.Reopen(), IsOk());  // it has not ended
  EXPECT_THAT(lease->Release(), IsOk());
  lease = session.Acquire({Layer(0)});
  ASSERT_THAT(lease, IsOk());
  Stop();
  Start();
  EXPECT_EQ(session.Acquire({Layer(1)}).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(session.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(session.Reopen(), IsOk());
  ExpectRight(*lease);  // the old daemon's memory, which nobody writes any more
  EXPECT_EQ(lease->Release().code(), absl::StatusCode::kUnavailable);
  lease = session.Acquire({Layer(1)});
  ASSERT_THAT(lease, IsOk());
  ExpectRight(*lease);
  EXPECT_TRUE(Within20s([&] { return server_->engine().stats().requests == 1; }));
}

TEST_F(ClientSessionTest, IsNotOpenedAgainForOtherWeights) {
  Start();
  const Client client = Connect({.retry_for = milliseconds(20'000)});
  ClientSession session = Open(client);
  const std::string digest = session.model().model.digest;
  Stop();
  StartOther();
  EXPECT_EQ(session.Ping().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(session.Reopen(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("other weights")));
  EXPECT_EQ(session.Acquire({0}).status().code(), absl::StatusCode::kUnavailable);
  Stop();
  EXPECT_EQ(session.Reopen({.timeout = milliseconds(1000)}).code(), absl::StatusCode::kUnavailable);
  Start();
  EXPECT_THAT(session.Reopen(), IsOk());
  EXPECT_EQ(session.model().model.digest, digest);
  auto lease = session.Acquire({Layer(2)});
  ASSERT_THAT(lease, IsOk());
  ExpectRight(*lease);
}

TEST_F(ClientSessionTest, MayOutliveItsClient) {
  Start();
  std::optional<Client> client = Connect();
  ClientSession session = Open(*client);
  client.reset();
  auto lease = session.Acquire({Layer(0)});
  ASSERT_THAT(lease, IsOk());
  ExpectRight(*lease);
}

}  // namespace
}  // namespace ecf8
