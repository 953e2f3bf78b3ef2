// What is to be in memory, over gRPC: preloads, pins, evictions, and sessions beside them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ecf8/v1/control.grpc.pb.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "loader/model/error_info.h"
#include "tests/rpc/session_fixture.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::CollectingSink;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::kLayerSlot;
using ::ecf8::testing::Request;
using ::ecf8::testing::SessionTest;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::Within20s;
using ::testing::HasSubstr;

constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;

v1::UnitsInTier Units(v1::MemoryTier tier, const std::vector<std::string>& units = {}) {
  v1::UnitsInTier out;
  out.set_model("small");
  out.mutable_units()->Add(units.begin(), units.end());
  out.set_tier(tier);
  return out;
}

v1::PreloadRequest PreloadOf(const v1::UnitsInTier& units, bool pin = false) {
  v1::PreloadRequest request;
  *request.mutable_units() = units;
  request.set_pin(pin);
  return request;
}

void Ignore(const v1::PreloadProgress& /*progress*/) {}

// A Preload call that is read and cancelled when the test likes.
class RawPreload {
 public:
  RawPreload(std::unique_ptr<v1::ControlService::Stub> stub, const v1::PreloadRequest& request)
      : stub_(std::move(stub)), reader_(stub_->Preload(&context_, request)) {}

  void Cancel() { context_.TryCancel(); }
  absl::Status ReadToTheEnd() {
    v1::PreloadProgress progress;
    while (reader_->Read(&progress)) {
    }
    return FromGrpcStatus(reader_->Finish());
  }

 private:
  const std::unique_ptr<v1::ControlService::Stub> stub_;
  grpc::ClientContext context_;
  const std::unique_ptr<grpc::ClientReader<v1::PreloadProgress>> reader_;
};

class ControlTest : public SessionTest {
 protected:
  const Engine& engine() const { return server_->engine(); }

  std::unique_ptr<RawPreload> Begin(const v1::PreloadRequest& request) const {
    return std::make_unique<RawPreload>(
        v1::ControlService::NewStub(grpc::CreateChannel(server_->address().ToGrpcTarget(),
                                                        grpc::InsecureChannelCredentials())),
        request);
  }

  uint64_t StoredBytes() const {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < server_->model().unit_count(); ++i) {
      bytes += server_->model().unit(i).stored_size_bytes;
    }
    return bytes;
  }

  // Nothing is in memory or on its way there.
  bool IsAllEvicted() const {
    EXPECT_THAT(client_->Evict(Units(v1::MEMORY_TIER_UNSPECIFIED)), IsOk());
    const EngineStats stats = engine().stats();
    return stats.active_units == 0 && stats.host.units == 0 && stats.slots.units == 0;
  }

  bool NoPinsAreLeft() const {
    return Within20s([&] { return engine().pins().empty(); });
  }
};

TEST_F(ControlTest, APreloadTellsHowFarItIs) {
  Start();
  for (const auto tier : {v1::MEMORY_TIER_HOST, v1::MEMORY_TIER_SLOTS}) {
    v1::PreloadProgress last;
    int count = 0;
    const auto end = client_->Preload(PreloadOf(Units(tier)), [&](const v1::PreloadProgress& p) {
      EXPECT_EQ(p.units(), server_->model().unit_count());
      EXPECT_GE(p.units_done(), last.units_done());
      EXPECT_GE(p.bytes_loaded(), last.bytes_loaded());
      EXPECT_GE(p.elapsed_ms(), last.elapsed_ms());
      EXPECT_FALSE(last.done());
      last = p;
      ++count;
    });
    ASSERT_THAT(end, IsOk());
    EXPECT_GT(count, 1);
    EXPECT_TRUE(last.done());
    EXPECT_EQ(end->units_done(), server_->model().unit_count());
    EXPECT_EQ(end->bytes_loaded(), end->bytes());
    EXPECT_EQ(end->units_not_kept(), 0u);
    EXPECT_EQ(end->remaining_ms(), 0u);
  }
  EXPECT_EQ(engine().stats().read_bytes, StoredBytes()) << "the slots were filled from host memory";
  EXPECT_TRUE(Within20s([&] { return engine().stats().requests == 0; }));
  const EngineStats before = engine().stats();
  EXPECT_THAT(client_->Preload(PreloadOf(Units(v1::MEMORY_TIER_SLOTS)), Ignore), IsOk());
  CollectingSink sink;
  EXPECT_THAT(client_->Fetch(Request(v1::FORM_DECODED), false, sink), IsOk());
  EXPECT_EQ(sink.tensors, server_->tensors());
  EXPECT_EQ(engine().stats().read_bytes, before.read_bytes);
  EXPECT_EQ(engine().stats().decoded_bytes, before.decoded_bytes);
}

TEST_F(ControlTest, SomeUnitsAreEnough) {
  Start();
  const auto end =
      client_->Preload(PreloadOf(Units(v1::MEMORY_TIER_HOST, {"layers.3", "layers.1"})), Ignore);
  ASSERT_THAT(end, IsOk());
  EXPECT_EQ(end->units(), 2u);
  EXPECT_EQ(engine().stats().read_bytes, server_->model().unit(Layer(3)).stored_size_bytes +
                                             server_->model().unit(Layer(1)).stored_size_bytes);
}

TEST_F(ControlTest, TwoCallersShareTheirReads) {
  Start();
  faults_.Hold();
  absl::Status results[2];
  std::vector<std::thread> callers;
  for (absl::Status& result : results) {
    callers.emplace_back([&] {
      result =
          server_->Connect()->Preload(PreloadOf(Units(v1::MEMORY_TIER_SLOTS)), Ignore).status();
    });
  }
  const bool both_wait =
      Within20s([&] { return engine().stats().requests == 2 * Preload::kMaxUnitsAtOnce; });
  faults_.LetGo();
  for (std::thread& caller : callers) caller.join();
  EXPECT_TRUE(both_wait);
  for (const absl::Status& result : results) EXPECT_THAT(result, IsOk());
  EXPECT_EQ(engine().reader_info().bytes_read, StoredBytes());
}

TEST_F(ControlTest, ACallerThatLeavesLeavesNoTrace) {
  Start();
  for (const bool pin : {false, true}) {
    faults_.Hold();
    const auto stays = Begin(PreloadOf(Units(v1::MEMORY_TIER_SLOTS, {"layers.0"})));
    const auto leaves = Begin(PreloadOf(Units(v1::MEMORY_TIER_SLOTS), pin));
    ASSERT_TRUE(
        Within20s([&] { return engine().stats().requests == Preload::kMaxUnitsAtOnce + 1; }));
    EXPECT_TRUE(Within20s([&] { return engine().pins().empty() != pin; }));
    leaves->Cancel();
    EXPECT_THAT(leaves->ReadToTheEnd(), StatusIs(absl::StatusCode::kCancelled, ::testing::_));
    EXPECT_TRUE(Within20s(
        [&] { return engine().stats().requests == 1 && server_->server().preload_count() == 1; }));
    EXPECT_TRUE(NoPinsAreLeft());
    faults_.LetGo();
    EXPECT_THAT(stays->ReadToTheEnd(), IsOk());
    EXPECT_TRUE(Within20s([&] { return engine().stats().requests == 0; }));
    EXPECT_EQ(engine().slot_grants().free_bytes(), engine().shared_slots().slot_bytes);
    // Cold again: what was on its way for the one who left arrives yet.
    ASSERT_TRUE(Within20s([&] { return IsAllEvicted(); }));
  }
}

TEST_F(ControlTest, APreloadThatWaitsForItsRateMayBeLeft) {
  preload_bytes_per_second_ = 1;
  Start();
  for (int i = 0; i < 3; ++i) {
    const auto leaves = Begin(PreloadOf(Units(v1::MEMORY_TIER_HOST)));
    // It has read one unit more, and waits for days.
    const uint64_t read = server_->model().unit(0).stored_size_bytes;
    ASSERT_TRUE(Within20s(
        [&] { return engine().stats().read_bytes > read * i && engine().stats().requests == 0; }));
    leaves->Cancel();
    EXPECT_THAT(leaves->ReadToTheEnd(), StatusIs(absl::StatusCode::kCancelled, ::testing::_));
    EXPECT_TRUE(Within20s([&] { return server_->server().preload_count() == 0; }));
  }
  EXPECT_LT(engine().stats().read_bytes, StoredBytes());
  // One that waits when the daemon stops does not hold it up.
  const auto stays = Begin(PreloadOf(Units(v1::MEMORY_TIER_HOST)));
  ASSERT_TRUE(Within20s([&] { return server_->server().preload_count() == 1; }));
  server_.reset();
  EXPECT_THAT(stays->ReadToTheEnd(), StatusIs(absl::StatusCode::kUnavailable, ::testing::_));
}

TEST_F(ControlTest, APreloadThatKeepsToItsRateComesToItsEnd) {
  preload_bytes_per_second_ = 100 << 20;
  Start();
  const auto end = client_->Preload(PreloadOf(Units(v1::MEMORY_TIER_HOST)), Ignore);
  ASSERT_THAT(end, IsOk());
  EXPECT_EQ(end->bytes_loaded(), StoredBytes());
}

TEST_F(ControlTest, FourPreloadsAtOnce) {
  Start();
  faults_.Hold();
  std::vector<std::unique_ptr<RawPreload>> preloads;
  for (int i = 0; i < 4; ++i) {
    preloads.push_back(Begin(PreloadOf(Units(v1::MEMORY_TIER_HOST, {"layers.0"}))));
  }
  ASSERT_TRUE(Within20s([&] { return server_->server().preload_count() == 4; }));
  const auto refused = client_->Preload(PreloadOf(Units(v1::MEMORY_TIER_HOST)), Ignore);
  ASSERT_THAT(refused, StatusIs(kExhausted, HasSubstr("limit of 4")));
  EXPECT_EQ(GetErrorInfo(refused.status())->reason, ErrorReason::kOverloaded);
  faults_.LetGo();
  for (const auto& preload : preloads) EXPECT_THAT(preload->ReadToTheEnd(), IsOk());
  ASSERT_TRUE(Within20s([&] { return server_->server().preload_count() == 0; }));
  EXPECT_THAT(client_->Preload(PreloadOf(Units(v1::MEMORY_TIER_HOST)), Ignore), IsOk());
}

TEST_F(ControlTest, WhatCanNeverFitIsRefusedWithWhatIsMissingAndWhoHasIt) {
  Start(8 * kLayerSlot);
  const auto alone = client_->Preload(PreloadOf(Units(v1::MEMORY_TIER_SLOTS)), Ignore);
  ASSERT_THAT(alone, StatusIs(kExhausted, HasSubstr("slot budget")));
  EXPECT_EQ(GetErrorInfo(alone.status())->reason, ErrorReason::kBudgetTooSmall);
  EXPECT_EQ(GetErrorInfo(alone.status())->shortfall_bytes, 2 * kSlotPageBytes);  // embed, head
  EXPECT_EQ(GetErrorInfo(alone.status())->holder, "");
  const auto session = Open({.model = {}, .slot_bytes = 2 * kLayerSlot});
  const std::vector<std::string> seven = {"layers.0", "layers.1", "layers.2", "layers.3",
                                          "layers.4", "layers.5", "layers.6"};
  const auto beside = client_->Preload(PreloadOf(Units(v1::MEMORY_TIER_SLOTS, seven)), Ignore);
  ASSERT_THAT(beside, StatusIs(kExhausted, HasSubstr("sessions' grants")));
  EXPECT_EQ(GetErrorInfo(beside.status())->shortfall_bytes, kLayerSlot);
  EXPECT_THAT(GetErrorInfo(beside.status())->holder, HasSubstr("sessions' grants, 8"));
  EXPECT_EQ(engine().stats().read_bytes, 0u);
}

TEST_F(ControlTest, PinsAndSessionsLeaveEachOtherWhatTheyHave) {
  Start(8 * kLayerSlot);
  auto pinned = client_->Pin(Units(v1::MEMORY_TIER_SLOTS, {"layers.0", "layers.1", "layers.2"}));
  ASSERT_THAT(pinned, IsOk());
  EXPECT_EQ(pinned->pinned().units(), 3u);
  EXPECT_EQ(pinned->pinned().bytes(), 3 * kLayerSlot);
  const auto too_large = TryOpen({.model = {}, .slot_bytes = 6 * kLayerSlot});
  ASSERT_THAT(too_large, StatusIs(kExhausted, HasSubstr("pins of model \"small\"")));
  EXPECT_EQ(GetErrorInfo(too_large.status())->shortfall_bytes, kLayerSlot);
  EXPECT_THAT(GetErrorInfo(too_large.status())->holder, HasSubstr("pins of model"));
  auto session = Open({.model = {}, .slot_bytes = 4 * kLayerSlot});
  ASSERT_NE(session, nullptr);
  const auto refused = client_->Pin(Units(v1::MEMORY_TIER_SLOTS, {"layers.3", "layers.4"}));
  ASSERT_THAT(refused, StatusIs(kExhausted, HasSubstr("sessions' grants")));
  EXPECT_EQ(GetErrorInfo(refused.status())->shortfall_bytes, kLayerSlot);
  session.reset();
  EXPECT_TRUE(Within20s([&] {
    return client_->Pin(Units(v1::MEMORY_TIER_SLOTS, {"layers.3", "layers.4"})).ok();
  }));
  auto unpinned = client_->Unpin(Units(v1::MEMORY_TIER_UNSPECIFIED));
  ASSERT_THAT(unpinned, IsOk());
  EXPECT_EQ(unpinned->unpinned().units(), 5u);
  EXPECT_EQ(unpinned->held().units(), 0u);
  EXPECT_EQ(engine().slot_grants().free_bytes(), 8 * kLayerSlot);
}

TEST_F(ControlTest, ASessionLeasesPinnedUnitsWithoutACharge) {
  Start(8 * kLayerSlot);
  ASSERT_THAT(client_->Pin(Units(v1::MEMORY_TIER_SLOTS, {"layers.0", "layers.1", "layers.2"})),
              IsOk());
  const auto session = Open({.model = {}, .slot_bytes = kLayerSlot});
  const std::vector<uint32_t> units = {Layer(0), Layer(1), Layer(2), Layer(5)};
  auto set = session->Acquire(units);
  ASSERT_THAT(set, IsOk());
  ExpectRight(*session, *set, units);
  EXPECT_THAT(session->Acquire({Layer(6), Layer(7)}), StatusIs(kExhausted, HasSubstr("granted")));
  // They are unpinned, and stay leased: nobody may be granted their bytes.
  ASSERT_THAT(client_->Unpin(Units(v1::MEMORY_TIER_SLOTS)), IsOk());
  EXPECT_EQ(engine().slot_grants().free_bytes(), 4 * kLayerSlot);
  ExpectRight(*session, *set, units);
  EXPECT_THAT(set->Check(), IsOk());
  EXPECT_THAT(set->Release(), IsOk());
  EXPECT_TRUE(Within20s([&] { return engine().slot_grants().free_bytes() == 7 * kLayerSlot; }));
  EXPECT_THAT(session->Acquire({Layer(0), Layer(1)}), StatusIs(kExhausted, HasSubstr("granted")));
  EXPECT_THAT(session->Acquire({Layer(0)}), IsOk());
}

TEST_F(ControlTest, EvictGivesUpWhatNobodyUses) {
  Start(16 * kLayerSlot);
  ASSERT_THAT(client_->Preload(PreloadOf(Units(v1::MEMORY_TIER_SLOTS)), Ignore), IsOk());
  ASSERT_THAT(client_->Pin(Units(v1::MEMORY_TIER_SLOTS, {"layers.0"})), IsOk());
  const auto session = Open({.model = {}, .slot_bytes = kLayerSlot});
  auto set = session->Acquire({Layer(1)});
  ASSERT_THAT(set, IsOk());
  const auto evicted = client_->Evict(Units(v1::MEMORY_TIER_SLOTS));
  ASSERT_THAT(evicted, IsOk());
  EXPECT_EQ(evicted->freed().units(), server_->model().unit_count() - 2);
  EXPECT_EQ(evicted->in_use().units(), 1u);
  EXPECT_EQ(evicted->pinned().units(), 1u);
  EXPECT_GT(client_->Evict(Units(v1::MEMORY_TIER_UNSPECIFIED))->freed().units(), 0u)
      << "of host memory";
  ExpectRight(*session, *set, {Layer(1)});
}

TEST_F(ControlTest, StatusTellsWhatIsPinned) {
  Start(16 * kLayerSlot);
  ASSERT_THAT(client_->Pin(Units(v1::MEMORY_TIER_HOST, {"layers.0"})), IsOk());
  ASSERT_THAT(client_->Pin(Units(v1::MEMORY_TIER_SLOTS, {"layers.1", "layers.2"})), IsOk());
  const auto session = Open({.model = {}, .slot_bytes = kLayerSlot});
  const auto has_pins = [&] {
    const auto status = client_->GetStatus();
    EXPECT_THAT(status, IsOk());
    const v1::Tier& slots = status->slots();
    return status->host().pinned_size() == 1 && slots.pinned_size() == 1 &&
           slots.pinned(0).model() == "small" && slots.pinned(0).units() == 2 &&
           slots.pinned(0).bytes() == 2 * kLayerSlot && slots.granted_bytes() == kLayerSlot;
  };
  EXPECT_TRUE(Within20s(has_pins));
}

TEST_F(ControlTest, BadRequestsAreRefused) {
  Start();
  const auto invalid = absl::StatusCode::kInvalidArgument;
  const auto preload = [&](const v1::PreloadRequest& request) {
    return client_->Preload(request, Ignore).status();
  };
  EXPECT_THAT(preload(PreloadOf(Units(v1::MEMORY_TIER_UNSPECIFIED))),
              StatusIs(invalid, HasSubstr("tier")));
  EXPECT_THAT(preload(PreloadOf(Units(static_cast<v1::MemoryTier>(17)))),
              StatusIs(invalid, HasSubstr("17")));
  EXPECT_THAT(client_->Pin(Units(v1::MEMORY_TIER_UNSPECIFIED)),
              StatusIs(invalid, HasSubstr("tier")));
  EXPECT_THAT(client_->Evict(Units(v1::MEMORY_TIER_HOST, {"layers.99"})),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("layers.99")));
  EXPECT_THAT(client_->Unpin(Units(v1::MEMORY_TIER_HOST, {"head", "head"})),
              StatusIs(invalid, HasSubstr("head")));
  v1::UnitsInTier other = Units(v1::MEMORY_TIER_HOST);
  other.set_model("other");
  EXPECT_THAT(preload(PreloadOf(other)), StatusIs(absl::StatusCode::kNotFound, HasSubstr("other")));
  v1::PreloadRequest long_id = PreloadOf(Units(v1::MEMORY_TIER_HOST));
  long_id.set_request_id(std::string(65, 'x'));
  EXPECT_THAT(preload(long_id), StatusIs(invalid, HasSubstr("request_id")));
  EXPECT_THAT(client_->Pin(Units(v1::MEMORY_TIER_DEVICE)),
              StatusIs(kExhausted, HasSubstr("device budget")));
  EXPECT_EQ(engine().stats().read_bytes, 0u);
}

TEST_F(ControlTest, ADaemonThatStopsEndsPreloads) {
  Start();
  faults_.Hold();
  const auto preload = Begin(PreloadOf(Units(v1::MEMORY_TIER_SLOTS), /*pin=*/true));
  ASSERT_TRUE(Within20s([&] { return engine().stats().requests > 0; }));
  std::thread stop([&] { server_->server().Drain(std::chrono::seconds(20), nullptr); });
  EXPECT_THAT(preload->ReadToTheEnd(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("shutting")));
  EXPECT_TRUE(NoPinsAreLeft());
  faults_.LetGo();
  stop.join();
}

TEST_F(ControlTest, APreloadEndsWithItsModel) {
  Start();
  for (const bool pin : {false, true}) {
    faults_.Hold();
    const auto preload = Begin(PreloadOf(Units(v1::MEMORY_TIER_HOST), pin));
    ASSERT_TRUE(Within20s([&] { return engine().stats().requests > 0; }));
    ASSERT_THAT(client_->RemoveModel("small", ""), IsOk());
    EXPECT_TRUE(NoPinsAreLeft());
    faults_.LetGo();
    EXPECT_THAT(preload->ReadToTheEnd(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("small")));
    EXPECT_TRUE(Within20s(
        [&] { return engine().stats().host.free_bytes == engine().stats().host.capacity_bytes; }));
    EXPECT_THAT(client_->Pin(Units(v1::MEMORY_TIER_HOST)),
                StatusIs(absl::StatusCode::kNotFound, HasSubstr("small")));
    ASSERT_THAT(client_->AddModel("small", ""), IsOk());
  }
  EXPECT_THAT(client_->Preload(PreloadOf(Units(v1::MEMORY_TIER_HOST)), Ignore), IsOk());
}

// A daemon that is none of ours.
class Liar final : public v1::ControlService::Service {
 public:
  grpc::Status Preload(grpc::ServerContext* /*context*/, const v1::PreloadRequest* request,
                       grpc::ServerWriter<v1::PreloadProgress>* writer) override {
    v1::PreloadProgress progress;
    progress.set_units(1);
    if (request->pin()) progress.set_units_done(2);
    writer->Write(progress);
    return grpc::Status::OK;
  }
};

TEST(ControlClient, TrustsNoProgress) {
  const testing::TempDir directory;
  Liar liar;
  grpc::ServerBuilder builder;
  const Address address{.socket_path = directory / "s.sock"};
  builder.AddListeningPort(address.ToGrpcTarget(), grpc::InsecureServerCredentials());
  builder.RegisterService(&liar);
  const auto server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  const auto client = WeightClient::Connect(address, std::chrono::seconds(20));
  ASSERT_THAT(client, IsOk());
  EXPECT_THAT((*client)->Preload(PreloadOf(Units(v1::MEMORY_TIER_HOST)), Ignore),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("without an end")));
  EXPECT_THAT((*client)->Preload(PreloadOf(Units(v1::MEMORY_TIER_HOST), true), Ignore),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("cannot be")));
}

}  // namespace
}  // namespace ecf8
