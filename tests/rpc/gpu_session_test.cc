// Sessions whose slots are a GPU's memory: every byte through the client's own mapping; nobody sees
// another's; what there is is granted, and comes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "loader/model/error_info.h"
#include "rpc/session_mux.h"
#include "rpc/slot_handshake.h"
#include "tests/rpc/gpu_session_fixture.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::GpuClient;
using ::ecf8::testing::GpuSessionTest;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::kGpuLayerSlot;
using ::ecf8::testing::StatusIs;
using ::testing::HasSubstr;

TEST_F(GpuSessionTest, GivesEveryByteOfEveryUnit) {
  for (const uint64_t frame_bytes : {0, 4 << 20}) {
    frame_bytes_ = frame_bytes;
    Start();
    GpuClient client(server_->address());
    const auto session = client.Open();
    ASSERT_TRUE(session->gpu().has_value());
    EXPECT_EQ(session->gpu()->device, 0);
    for (int pass = 0; pass < 2; ++pass) {
      for (uint32_t unit = 0; unit < server_->model().unit_count(); ++unit) {
        auto set = session->Acquire({unit});
        ASSERT_THAT(set, IsOk());
        client.ExpectRight(*session, *set, server_->tensors());
        EXPECT_THAT(set->Release(), IsOk());
      }
    }
    server_.reset();
  }
}

TEST_F(GpuSessionTest, ASetComesWholeAndAUnitMayBeInSeveral) {
  Start();
  GpuClient client(server_->address());
  const auto session = client.Open({.model = {}, .slot_bytes = 5 * kGpuLayerSlot});
  auto first = session->Acquire({Layer(5), Layer(0), Layer(3), Layer(7)});
  auto second = session->Acquire({Layer(0), Layer(1)});
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(first->unit_dev(1).data(), second->unit_dev(0).data());
  EXPECT_THAT(first->Release(), IsOk());
  client.ExpectRight(*session, *second, server_->tensors());
  auto third = session->Acquire({Layer(2), Layer(4), Layer(6)});
  ASSERT_THAT(third, IsOk());
  client.ExpectRight(*session, *third, server_->tensors());
  client.ExpectRight(*session, *second, server_->tensors());
}

// What one client writes over all of its memory neither another sees, nor a fetch, nor itself in
// what it asks for then.
TEST_F(GpuSessionTest, SessionsShareNoMemory) {
  Start();
  GpuClient first(server_->address());
  GpuClient second(server_->address());
  const auto one = first.Open({.model = {}, .slot_bytes = 2 * kGpuLayerSlot});
  const auto other = second.Open({.model = {}, .slot_bytes = 2 * kGpuLayerSlot});
  auto mine = one->Acquire({Layer(0), Layer(1)});
  ASSERT_THAT(mine, IsOk());
  first.ExpectRight(*one, *mine, server_->tensors());
  first.bytes().Fill(one->mapping().slots_dev(), 0xEE);
  auto yours = other->Acquire({Layer(0), Layer(1)});
  ASSERT_THAT(yours, IsOk());
  second.ExpectRight(*other, *yours, server_->tensors());
  EXPECT_THAT(mine->Release(), IsOk());
  auto again = one->Acquire({Layer(0)});
  ASSERT_THAT(again, IsOk());
  first.ExpectRight(*one, *again, server_->tensors());
  first.bytes().Fill(one->mapping().slots_dev(), 0xEF);
  second.ExpectRight(*other, *yours, server_->tensors());
  ExpectFetched();
}

// Memory that was a session's is made anew before others have it, though the client keeps it.
TEST_F(GpuSessionTest, AClientThatKeepsItsMappingSeesNothingMore) {
  Start(6 * kGpuLayerSlot);
  GpuClient first(server_->address());
  auto one = first.Open({.model = {}, .slot_bytes = 5 * kGpuLayerSlot});
  auto lease = one->Acquire({Layer(0), Layer(1), Layer(2)});
  ASSERT_THAT(lease, IsOk());
  one->Close();
  ASSERT_TRUE(EverythingIsGivenBack());
  GpuClient second(server_->address());
  const auto other = second.Open({.model = {}, .slot_bytes = 5 * kGpuLayerSlot});
  auto set = other->Acquire({Layer(3), Layer(4), Layer(5)});
  ASSERT_THAT(set, IsOk());
  first.ExpectRight(*one, *lease, server_->tensors());
  first.bytes().Fill(lease->mapping()->slots_dev().first(2 * kGpuLayerSlot), 0xEE);
  second.ExpectRight(*other, *set, server_->tensors());
  ExpectFetched();
}

TEST_F(GpuSessionTest, TwoWalkAtOnceAheadOfThemselves) {
  Start(8 * kGpuLayerSlot);
  const std::vector<uint32_t> walk = Layers(8);
  const auto run = [&] {
    GpuClient client(server_->address());
    const auto session = client.Open({.model = "small",
                                      .walk = walk,
                                      .cyclic = true,
                                      .depth = 1,
                                      .slot_bytes = 2 * kGpuLayerSlot});
    for (int pass = 0; pass < 3; ++pass) {
      for (const uint32_t unit : walk) {
        auto set = session->Acquire({unit});
        ASSERT_THAT(set, IsOk());
        client.ExpectRight(*session, *set, server_->tensors());
        ASSERT_THAT(set->Release(), IsOk());
      }
    }
  };
  std::thread other(run);
  run();
  ExpectFetched();
  other.join();
  EXPECT_TRUE(EverythingIsGivenBack());
}

// Sessions get what leaves room for any one unit: fetches go on.
TEST_F(GpuSessionTest, GrantsAreWithinTheBudgetAndLeaveRoomForFetches) {
  Start(8 * kGpuLayerSlot);
  ExpectFetched();  // slots are full of it
  GpuClient client(server_->address());
  const auto too_much = client.TryOpen({.model = {}, .slot_bytes = 8 * kGpuLayerSlot});
  EXPECT_THAT(too_much, StatusIs(absl::StatusCode::kResourceExhausted,
                                 HasSubstr("29360128 are left: raise slot-budget")));
  EXPECT_EQ(GetErrorInfo(too_much.status())->shortfall_bytes, kGpuLayerSlot);
  const auto session = client.Open({.model = {}, .slot_bytes = 5 * kGpuLayerSlot});
  EXPECT_EQ(session->slot_bytes(), 5 * kGpuLayerSlot);
  GpuClient other(server_->address());
  const auto refused = other.TryOpen({.model = {}, .slot_bytes = 3 * kGpuLayerSlot});
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("sessions")));
  EXPECT_EQ(GetErrorInfo(refused.status())->shortfall_bytes, kGpuLayerSlot);
  const auto rest = other.Open({.model = {}, .depth = 7});  // what is left
  EXPECT_EQ(rest->slot_bytes(), 2 * kGpuLayerSlot);
  auto all = session->Acquire(Layers(5));
  ASSERT_THAT(all, IsOk());
  auto two = rest->Acquire({Layer(6), Layer(7)});
  ASSERT_THAT(two, IsOk());
  ExpectFetched();
  client.ExpectRight(*session, *all, server_->tensors());
  other.ExpectRight(*rest, *two, server_->tensors());
  EXPECT_THAT(session->Acquire({Layer(5)}, {.deadline = std::chrono::steady_clock::now() +
                                                        std::chrono::milliseconds(300)}),
              StatusIs(absl::StatusCode::kDeadlineExceeded, ::testing::_));
  EXPECT_THAT(session->Acquire(Layers(6)),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("the session was granted")));
}

// Of the GPU's memory others may take some.
TEST_F(GpuSessionTest, AGrantThatTheGpuHasNoMemoryForIsThatClientsMatterAlone) {
  Start(8 * kGpuLayerSlot);
  GpuClient client(server_->address());
  const auto session = client.Open({.model = {}, .slot_bytes = 2 * kGpuLayerSlot});
  auto set = session->Acquire({Layer(0)});
  ASSERT_THAT(set, IsOk());
  GpuClient other(server_->address());
  cuda_.FailCall("MemCreate", 1, kCudaOutOfMemory);
  const auto refused = other.TryOpen({.model = {}, .slot_bytes = 3 * kGpuLayerSlot});
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("cuMemCreate")));
  EXPECT_EQ(GetErrorInfo(refused.status())->shortfall_bytes, 3 * kGpuLayerSlot);
  client.ExpectRight(*session, *set, server_->tensors());
  ASSERT_NE(other.Open({.model = {}, .slot_bytes = 3 * kGpuLayerSlot}), nullptr);
  ExpectFetched();
}

TEST_F(GpuSessionTest, EveryCallOfOpeningMayFail) {
  Start(8 * kGpuLayerSlot);
  GpuClient client(server_->address());
  for (const char* const call :
       {"MemExportToShareableHandle", "MemAddressReserve", "MemMap", "MemSetAccess"}) {
    SCOPED_TRACE(call);
    cuda_.FailCall(call, 1, kCudaInvalidValue);
    EXPECT_THAT(client.TryOpen({.model = {}, .slot_bytes = 3 * kGpuLayerSlot}),
                StatusIs(absl::StatusCode::kInternal, ::testing::_));
    ASSERT_TRUE(EverythingIsGivenBack());
  }
  // And of the client's.
  for (const char* const call : {"GetDeviceCount", "GetDeviceUuid", "MemImportFromShareableHandle",
                                 "MemAddressReserve", "MemMap", "MemSetAccess"}) {
    SCOPED_TRACE(call);
    client.cuda().FailCall(call, 1, kCudaInvalidValue);
    EXPECT_THAT(client.TryOpen({.model = {}, .slot_bytes = 3 * kGpuLayerSlot}),
                StatusIs(absl::StatusCode::kInternal, ::testing::_));
    ASSERT_TRUE(EverythingIsGivenBack());
  }
  const auto session = client.Open({.model = {}, .slot_bytes = 3 * kGpuLayerSlot});
  auto set = session->Acquire({Layer(0)});
  ASSERT_THAT(set, IsOk());
  client.ExpectRight(*session, *set, server_->tensors());
}

TEST_F(GpuSessionTest, ACopyThatFailsFailsItsSet) {
  Start();
  GpuClient client(server_->address());
  const auto session = client.Open({.model = {}, .slot_bytes = 3 * kGpuLayerSlot});
  auto set = session->Acquire({Layer(0)});
  ASSERT_THAT(set, IsOk());
  EXPECT_THAT(set->Release(), IsOk());
  // It lies decoded in a slot: the copy is all that there is to do.
  cuda_.FailCall("MemcpyAsync", 1, kCudaInvalidValue);
  EXPECT_THAT(session->Acquire({Layer(0)}),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("layers.0")));
  set = session->Acquire({Layer(0)});
  ASSERT_THAT(set, IsOk());
  client.ExpectRight(*session, *set, server_->tensors());
}

TEST_F(GpuSessionTest, ReleaseWaitsForTheClientsStream) {
  Start();
  GpuClient client(server_->address());
  const auto session = client.Open({.model = {}, .slot_bytes = kGpuLayerSlot});
  auto set = session->Acquire({Layer(0)});
  ASSERT_THAT(set, IsOk());
  const absl::Span<const uint8_t> tensor_dev = set->tensor_dev(0, 0);
  // Nothing runs in the fake's streams before it is waited for.
  client.bytes().QueueRead(tensor_dev);
  EXPECT_THAT(
      set->ReleaseAfter(client.bytes().stream(), {.deadline = std::chrono::steady_clock::now()}),
      StatusIs(absl::StatusCode::kDeadlineExceeded, ::testing::_));
  EXPECT_TRUE(set->leased());
  client.cuda().FailCall("EventRecord", 1, kCudaInvalidValue);
  EXPECT_THAT(set->ReleaseAfter(client.bytes().stream()),
              StatusIs(absl::StatusCode::kInternal, ::testing::_));
  EXPECT_TRUE(set->leased());
  EXPECT_THAT(set->ReleaseAfter(client.bytes().stream()), IsOk());
  EXPECT_FALSE(set->leased());
  const std::string& name = session->units()[Layer(0)].tensors(0).name();
  EXPECT_TRUE(client.bytes().LastRead(tensor_dev.size()) == server_->tensors().at(name));
  EXPECT_THAT(session->Acquire({Layer(1)}), IsOk());
}

TEST_F(GpuSessionTest, TheModelCannotBeResident) {
  Start();
  GpuClient client(server_->address());
  EXPECT_THAT(client.TryOpen({.model = {}, .resident = true}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("one session's")));
  EXPECT_TRUE(EverythingIsGivenBack());
}

TEST_F(GpuSessionTest, NothingLiesThereAsItIsStored) {
  Start();
  GpuClient client(server_->address());
  EXPECT_THAT(client.TryOpen({.model = {}, .form = v1::FORM_STORED}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("decoded units alone")));
  EXPECT_TRUE(EverythingIsGivenBack());
}

// One that was written before there were slots of a GPU.
TEST_F(GpuSessionTest, AnOldClientIsToldSo) {
  Start();
  const auto client = server_->Connect();
  const auto mapping =
      SlotMapping::Connect(SlotSocketPath(server_->address().socket_path), std::chrono::seconds(5));
  ASSERT_THAT(mapping, IsOk());
  EXPECT_TRUE((*mapping)->slots().empty());
  EXPECT_TRUE((*mapping)->slots_follow());
  SessionMux mux(client->StartSession());
  v1::SessionRequest request;
  const Ticket& ticket = (*mapping)->ticket();
  request.mutable_open()->set_ticket(std::string(ticket.begin(), ticket.end()));
  request.mutable_open()->set_model("small");
  request.mutable_open()->set_digest(server_->model().digest());
  EXPECT_THAT(mux.Open(request, {}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("a newer client can map")));
}

TEST_F(GpuSessionTest, ASessionThatGoesOnWithoutItsDaemonCanStillRead) {
  Start();
  GpuClient client(server_->address());
  const auto session = client.Open({.model = {}, .slot_bytes = 2 * kGpuLayerSlot});
  auto set = session->Acquire({Layer(0)});
  ASSERT_THAT(set, IsOk());
  const testing::TensorBytes tensors = server_->tensors();
  server_.reset();
  client.ExpectRight(*session, *set, tensors);
  EXPECT_THAT(session->Ping(), StatusIs(absl::StatusCode::kUnavailable, ::testing::_));
}

}  // namespace
}  // namespace ecf8
