// What a session's client says over the slot socket, right and wrong.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rpc/step_pipe.h"
#include "tests/rpc/raw_session_fixture.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::RawSessionFixture;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::Within20s;
using ::testing::HasSubstr;

constexpr size_t kMaxBytes = size_t{4} << 20;

// A client that opens its session by gRPC and says the rest at the socket.
class SessionStepsTest : public RawSessionFixture {
 protected:
  void SetUp() override {
    RawSessionFixture::SetUp();
    if (mapping_ != nullptr) pipe_.emplace(mapping_->connection(), kMaxBytes);
  }

  void OpenSession(bool over_slot_socket = true) {
    v1::SessionRequest request = OpenRequest();
    request.mutable_open()->set_over_slot_socket(over_slot_socket);
    ASSERT_TRUE(stream_->Write(request));
    v1::SessionResponse response;
    ASSERT_TRUE(stream_->Read(&response));
    ASSERT_TRUE(response.has_opened());
    EXPECT_EQ(response.opened().over_slot_socket(), over_slot_socket);
  }
  void Say(const v1::SessionRequest& request) {
    pipe_->Put(request);
    ASSERT_EQ(pipe_->Flush(), StepPipe::State::kOpen);
  }
  void SayRaw(const std::string& bytes) const {
    send(mapping_->connection(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  void SayAcquire(uint64_t set_id, const std::vector<uint32_t>& units) {
    Say(AcquireRequest(set_id, units));
  }
  static v1::SessionRequest Ping() {
    v1::SessionRequest request;
    request.mutable_ping();
    return request;
  }
  // Nothing: the connection has ended.
  std::optional<v1::SessionResponse> Hear() {
    std::optional<v1::SessionResponse> response;
    const bool ended = !Within20s([&] {
      std::string_view message;
      if (pipe_->Next(&message) == StepPipe::State::kOpen) {
        response.emplace();
        EXPECT_TRUE(response->ParseFromArray(message.data(), static_cast<int>(message.size())));
        return true;
      }
      return pipe_->Receive() == StepPipe::State::kBroken;
    });
    EXPECT_FALSE(ended) << "nothing came, and nothing ended";
    return response;
  }
  absl::Status EndOfStream() {
    v1::SessionResponse response;
    EXPECT_FALSE(stream_->Read(&response)) << "said by gRPC: " << response.ShortDebugString();
    const absl::Status status = FromGrpcStatus(stream_->Finish());
    stream_.reset();
    return status;
  }
  void ExpectTheEnd(absl::StatusCode code, const std::string& message) {
    EXPECT_EQ(Hear(), std::nullopt);
    EXPECT_THAT(EndOfStream(), StatusIs(code, HasSubstr(message)));
    pipe_.reset();
    mapping_.reset();
    EXPECT_TRUE(EverythingIsGivenBack());
  }

  std::optional<StepPipe> pipe_;
};

TEST_F(SessionStepsTest, SetsComeAndGo) {
  OpenSession();
  for (uint64_t set = 1; set <= 20; ++set) {
    SayAcquire(set, Layers(2));
    const auto response = Hear();
    ASSERT_TRUE(response.has_value());
    ASSERT_TRUE(response->has_ready()) << response->ShortDebugString();
    EXPECT_EQ(response->ready().set_id(), set);
    ASSERT_EQ(response->ready().slots_size(), 2);
    Say(ReleaseRequest(set));
  }
  stream_->WritesDone();
  EXPECT_THAT(EndOfStream(), IsOk());
  EXPECT_EQ(Hear(), std::nullopt);
  pipe_.reset();
  mapping_.reset();
  EXPECT_TRUE(EverythingIsGivenBack());
}

TEST_F(SessionStepsTest, PiecesOfAMessage) {
  OpenSession();
  const std::string message = Ping().SerializeAsString();
  const auto size = static_cast<uint32_t>(message.size());
  const std::string bytes =
      std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + message;
  for (const char byte : bytes) SayRaw({byte});
  const auto response = Hear();
  ASSERT_TRUE(response.has_value());
  EXPECT_TRUE(response->has_pong());
}

// One pong each, and none is lost, though the client reads none until it has said all; the daemon
// does not listen meanwhile, so that it owes no more than the socket holds.
TEST_F(SessionStepsTest, PingsWithoutANumber) {
  OpenSession();
  constexpr int kPings = 200'000;
  int pongs = 0;
  for (int i = 0; i < kPings; ++i) {
    pipe_->Put(Ping());
    if (i % 1000 != 999) continue;
    while (pipe_->Flush() == StepPipe::State::kBlocked) {
      if (!Hear()) FAIL() << "it has ended";
      ++pongs;
    }
  }
  EXPECT_TRUE(Within20s([&] { return pipe_->Flush() == StepPipe::State::kOpen; }));
  for (; pongs < kPings; ++pongs) {
    const auto response = Hear();
    ASSERT_TRUE(response.has_value() && response->has_pong());
  }
}

TEST_F(SessionStepsTest, BytesThatAreNoMessage) {
  OpenSession();
  SayRaw(std::string("\3\0\0\0\xff\xff\xff", 7));
  ExpectTheEnd(absl::StatusCode::kInvalidArgument, "is none");
}

TEST_F(SessionStepsTest, AMessageThatSaysNothing) {
  OpenSession();
  Say({});
  ExpectTheEnd(absl::StatusCode::kInvalidArgument, "says nothing");
}

TEST_F(SessionStepsTest, AMessageThatIsTooLong) {
  OpenSession();
  SayRaw(std::string("\xff\xff\xff\x7f", 4) + std::string(100, 'x'));
  ExpectTheEnd(absl::StatusCode::kAborted, "slot socket is closed");
}

TEST_F(SessionStepsTest, OpenedTwice) {
  OpenSession();
  v1::SessionRequest request;
  request.mutable_open();
  Say(request);
  ExpectTheEnd(absl::StatusCode::kInvalidArgument, "opened by its");
}

TEST_F(SessionStepsTest, AForgedSetId) {
  OpenSession();
  Say(ReleaseRequest(7));
  ExpectTheEnd(absl::StatusCode::kInvalidArgument, "set 7 is not leased");
}

// That is what the daemon takes a word for where nobody has agreed on words.
TEST_F(SessionStepsTest, SaidWhereItWasNotAgreed) {
  OpenSession(/*over_slot_socket=*/false);
  Say(Ping());
  ExpectTheEnd(absl::StatusCode::kAborted, "slot socket is closed");
}

TEST_F(SessionStepsTest, SaidBeforeTheSessionIsOpen) {
  Say(Ping());
  EXPECT_EQ(Hear(), std::nullopt);
  EXPECT_TRUE(Within20s([&] { return server_->server().slot_socket()->connection_count() == 0; }));
}

// By either connection: a set that is on its way is not told any more.
TEST_F(SessionStepsTest, TheConnectionsEndIsTheSessions) {
  OpenSession();
  faults_.Hold();
  SayAcquire(1, Layers(2));
  SayAcquire(2, Layers(1));
  mapping_->Disconnect();
  EXPECT_THAT(EndOfStream(),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("slot socket is closed")));
  faults_.LetGo();
  EXPECT_TRUE(EverythingIsGivenBack());
}

TEST_F(SessionStepsTest, TheCallsEndIsTheSessions) {
  OpenSession();
  faults_.Hold();
  SayAcquire(1, Layers(2));
  context_.TryCancel();
  EXPECT_EQ(Hear(), std::nullopt);
  faults_.LetGo();
  EXPECT_TRUE(EverythingIsGivenBack());
}

// As a client of an older library does.
TEST_F(SessionStepsTest, ByTheCallAlone) {
  OpenSession(/*over_slot_socket=*/false);
  ASSERT_TRUE(stream_->Write(AcquireRequest(1, {Layer(0)})));
  v1::SessionResponse response;
  ASSERT_TRUE(stream_->Read(&response));
  EXPECT_TRUE(response.has_ready());
}

}  // namespace
}  // namespace ecf8
