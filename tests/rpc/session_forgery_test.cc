// What our client never says to a session: each is refused, and leaves nothing.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "rpc/slot_handshake.h"
#include "rpc/slot_mapping.h"
#include "tests/rpc/raw_session_fixture.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::RawSessionFixture;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::Within20s;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kTimeout(20);
constexpr auto kBad = absl::StatusCode::kInvalidArgument;

class RawSessionTest : public RawSessionFixture {
 protected:
  void OpenSession() {
    ASSERT_TRUE(stream_->Write(OpenRequest()));
    ASSERT_TRUE(stream_->Read(&response_));
    ASSERT_TRUE(response_.has_opened());
  }
  v1::SessionRequest CancelRequest(uint64_t set_id) const {
    v1::SessionRequest request;
    request.mutable_cancel()->set_set_id(set_id);
    return request;
  }
  absl::Status EndOfStream() {
    while (stream_->Read(&response_)) {
    }
    const absl::Status status = FromGrpcStatus(stream_->Finish());
    stream_.reset();
    return status;
  }
  void ExpectRefused(const v1::SessionRequest& request, absl::StatusCode code,
                     const std::string& message) {
    stream_->Write(request);
    EXPECT_THAT(EndOfStream(), StatusIs(code, HasSubstr(message)));
    mapping_.reset();
    EXPECT_TRUE(EverythingIsGivenBack());
  }

  v1::SessionResponse response_;
};

TEST_F(RawSessionTest, AForgedTicket) {
  v1::SessionRequest request = OpenRequest();
  request.mutable_open()->mutable_ticket()->back() ^= 1;
  ExpectRefused(request, absl::StatusCode::kPermissionDenied, "no such ticket");
}

TEST_F(RawSessionTest, ATicketThatIsInUse) {
  OpenSession();
  grpc::ClientContext context;
  const auto other = stub_->Session(&context);
  other->Write(OpenRequest());
  EXPECT_FALSE(other->Read(&response_));
  EXPECT_THAT(FromGrpcStatus(other->Finish()),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("no such ticket")));
}

TEST_F(RawSessionTest, NotOpened) { ExpectRefused(AcquireRequest(1, {0}), kBad, "opened by its"); }

TEST_F(RawSessionTest, OpenedTwice) {
  OpenSession();
  ExpectRefused(OpenRequest(), kBad, "opened by its");
}

TEST_F(RawSessionTest, NothingSaid) {
  OpenSession();
  ExpectRefused({}, kBad, "says nothing");
}

TEST_F(RawSessionTest, AForgedSetIdInAnExchange) {
  OpenSession();
  ASSERT_TRUE(stream_->Write(AcquireRequest(7, {Layer(0)})));
  ASSERT_TRUE(stream_->Read(&response_));
  ASSERT_TRUE(response_.has_ready());
  v1::SessionRequest request = AcquireRequest(8, {Layer(1)});
  request.mutable_acquire()->add_release_set_ids(7);
  request.mutable_acquire()->add_release_set_ids(7);  // it has just gone
  ExpectRefused(request, kBad, "set 7 is not leased");
}

TEST_F(RawSessionTest, AForgedSetId) {
  OpenSession();
  ExpectRefused(ReleaseRequest(7), kBad, "set 7 is not leased");
}

// Whose answer may be on its way: released, its slots would be read when they are another's.
TEST_F(RawSessionTest, ASetReleasedBeforeItIsReady) {
  OpenSession();
  faults_.Hold();
  ASSERT_TRUE(stream_->Write(AcquireRequest(7, {Layer(0)})));
  stream_->Write(ReleaseRequest(7));
  EXPECT_THAT(EndOfStream(), StatusIs(kBad, HasSubstr("set 7 is not leased")));
  faults_.LetGo();
  mapping_.reset();
  EXPECT_TRUE(EverythingIsGivenBack());
}

// Answered all the same, and its number is free again.
TEST_F(RawSessionTest, ASetCancelledBeforeItIsReady) {
  OpenSession();
  faults_.Hold();
  ASSERT_TRUE(stream_->Write(AcquireRequest(7, {Layer(0)})));
  ASSERT_TRUE(stream_->Write(CancelRequest(7)));
  ASSERT_TRUE(stream_->Read(&response_));
  EXPECT_EQ(response_.failed().set_id(), 7u);
  EXPECT_EQ(response_.failed().status().code(), static_cast<int>(absl::StatusCode::kCancelled));
  EXPECT_TRUE(Within20s([&] { return server_->engine().stats().requests == 0; }));
  faults_.LetGo();
  ASSERT_TRUE(stream_->Write(AcquireRequest(7, {Layer(0)})));
  ASSERT_TRUE(stream_->Read(&response_));
  EXPECT_EQ(response_.ready().set_id(), 7u);
}

TEST_F(RawSessionTest, ASetCancelledThatIsLeased) {
  OpenSession();
  ASSERT_TRUE(stream_->Write(AcquireRequest(7, {Layer(0)})));
  ASSERT_TRUE(stream_->Read(&response_));
  ASSERT_TRUE(response_.has_ready());
  ASSERT_TRUE(stream_->Write(CancelRequest(7)));
  ASSERT_TRUE(stream_->Write(CancelRequest(7)));  // crossed with its answer, for all we know
  EXPECT_TRUE(Within20s([&] { return server_->engine().stats().requests == 0; }));
  ExpectRefused(ReleaseRequest(7), kBad, "set 7 is not leased");
}

// The daemon's own clock, for clients that do not look at theirs.
TEST_F(RawSessionTest, ASetThatIsNotReadyInItsTimeFails) {
  OpenSession();
  faults_.Hold();
  v1::SessionRequest request = AcquireRequest(7, {Layer(0)});
  request.mutable_acquire()->set_timeout_ms(300);
  const auto asked = std::chrono::steady_clock::now();
  ASSERT_TRUE(stream_->Write(request));
  ASSERT_TRUE(stream_->Read(&response_));
  EXPECT_EQ(response_.failed().set_id(), 7u);
  EXPECT_EQ(response_.failed().status().code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_GE(std::chrono::steady_clock::now() - asked, std::chrono::milliseconds(300));
  faults_.LetGo();
  request.mutable_acquire()->set_timeout_ms(60'000);
  ASSERT_TRUE(stream_->Write(request));
  ASSERT_TRUE(stream_->Read(&response_));
  EXPECT_TRUE(response_.has_ready());
}

TEST_F(RawSessionTest, ASetReleasedTwice) {
  OpenSession();
  ASSERT_TRUE(stream_->Write(AcquireRequest(7, {0})));
  ASSERT_TRUE(stream_->Read(&response_));
  ASSERT_TRUE(response_.has_ready());
  ASSERT_TRUE(stream_->Write(ReleaseRequest(7)));
  ExpectRefused(ReleaseRequest(7), kBad, "set 7 is not leased");
}

TEST_F(RawSessionTest, ASetIdInUse) {
  OpenSession();
  ASSERT_TRUE(stream_->Write(AcquireRequest(7, {0})));
  ExpectRefused(AcquireRequest(7, {1}), kBad, "set 7 is in use");
}

TEST_F(RawSessionTest, UnitsThatAreNone) {
  OpenSession();
  ExpectRefused(AcquireRequest(7, {0, server_->model().unit_count()}), kBad, "not there");
}

TEST_F(RawSessionTest, AUnitNamedTwice) {
  OpenSession();
  ExpectRefused(AcquireRequest(7, {0, 1, 0}), kBad, "named twice");
}

TEST_F(RawSessionTest, NoUnits) {
  OpenSession();
  ExpectRefused(AcquireRequest(7, {}), kBad, "from 1 to");
}

TEST_F(RawSessionTest, TooManySets) {
  OpenSession();
  for (uint64_t id = 0; id < SessionLimits().max_sets; ++id) {
    ASSERT_TRUE(stream_->Write(AcquireRequest(id, {0})));
  }
  ExpectRefused(AcquireRequest(99, {0}), absl::StatusCode::kResourceExhausted, "16 sets");
}

TEST_F(RawSessionTest, AScheduleOfWhatIsNotThere) {
  v1::SessionRequest request = OpenRequest();
  request.mutable_open()->mutable_schedule()->add_units(12345);
  ExpectRefused(request, kBad, "unit 12345");
}

// The other way, by the stream, is SessionTest.TheEndOfASessionGivesEverythingBack.
TEST_F(RawSessionTest, TheSlotSocketsEndIsTheSessions) {
  OpenSession();
  ASSERT_TRUE(stream_->Write(AcquireRequest(1, {Layer(0)})));
  ASSERT_TRUE(stream_->Read(&response_));
  mapping_.reset();
  EXPECT_THAT(EndOfStream(), StatusIs(absl::StatusCode::kAborted, HasSubstr("slot socket")));
  EXPECT_TRUE(EverythingIsGivenBack());
}

// On one thread the daemon starts a read when another one hears of the end: a call that has ended
// is not read from. (Seen by AddressSanitizer alone.)
TEST_F(RawSessionTest, StreamsThatEndWhileTheyAreRead) {
  context_.TryCancel();
  mapping_.reset();
  for (int i = 0; i < 100; ++i) {
    auto mapping = SlotMapping::Connect(SlotSocketPath(server_->address().socket_path), kTimeout);
    ASSERT_THAT(mapping, IsOk());
    mapping_ = *std::move(mapping);
    grpc::ClientContext context;
    const auto stream = stub_->Session(&context);
    v1::SessionRequest open = OpenRequest();
    open.mutable_open()->set_resident(i % 2 == 0);
    v1::SessionRequest ping;
    ping.mutable_ping();
    stream->Write(open);
    for (int k = 0; k < i % 5; ++k) stream->Write(ping);
    context.TryCancel();
  }
  mapping_.reset();
  EXPECT_TRUE(Within20s([&] { return server_->server().session_count() == 0; }));
}

// Answers are not piled up for a client that does not read them.
TEST_F(RawSessionTest, PingsThatNobodyReadsTheAnswersOf) {
  OpenSession();
  v1::SessionRequest ping;
  ping.mutable_ping();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(stream_->Write(ping));
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(stream_->Read(&response_));
  EXPECT_TRUE(response_.has_pong());
}

}  // namespace
}  // namespace ecf8
