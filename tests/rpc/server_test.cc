// Where a server listens, and how it ends.

#include "rpc/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "grpcpp/client_context.h"
#include "loader/model/error_info.h"
#include "rpc/error_status.h"
#include "tests/rpc/test_server.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::CollectingSink;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::Request;
using ::ecf8::testing::SmallModelOptions;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::TestServer;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr SmallModelOptions kTiny{.layers = 1, .projection_rows = 4};
constexpr SmallModelOptions kLarge{.layers = 2, .projection_rows = 20'000};

absl::StatusOr<std::unique_ptr<Server>> StartEmpty(const Address& address) {
  return Server::Start(
      {}, {.address = address, .threads = 1, .max_streams = 4, .engine = testing::SmallEngine()});
}

TEST(Server, SocketIsItsUsersOnly) {
  TestServer server(kTiny);
  struct stat status = {};
  ASSERT_EQ(lstat(server.address().socket_path.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST(Server, RefusesAnAddressInUseAndLeavesItAlone) {
  TestServer server(kTiny);
  EXPECT_THAT(StartEmpty(server.address()),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("in use")));
  CollectingSink sink;
  EXPECT_THAT(server.Connect()->Fetch(Request(v1::FORM_DECODED), false, sink), IsOk());
}

TEST(Server, ListensOnTcpAndRefusesAPortInUse) {
  auto server = StartEmpty({.host = "127.0.0.1", .port = 0});
  ASSERT_THAT(server, IsOk());
  EXPECT_NE((*server)->address().port, 0);
  auto client = WeightClient::Connect((*server)->address(), seconds(20));
  ASSERT_THAT(client, IsOk());
  EXPECT_THAT((*client)->ListModels(), IsOk());
  EXPECT_THAT(StartEmpty((*server)->address()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("127.0.0.1")));
}

TEST(Server, PathsWithOddCharactersWork) {
  const testing::TempDir directory;
  const Address address{.socket_path = directory / "a b%20c.sock"};
  const auto server = StartEmpty(address);
  ASSERT_THAT(server, IsOk());
  EXPECT_TRUE(std::filesystem::exists(address.socket_path));
  const auto client = WeightClient::Connect(address, seconds(20));
  ASSERT_THAT(client, IsOk());
  EXPECT_THAT((*client)->ListModels(), IsOk());
}

TEST(Server, DefaultSocketLiesInAPrivateDirectory) {
  const testing::TempDir runtime;
  ASSERT_EQ(setenv("XDG_RUNTIME_DIR", runtime.path().c_str(), 1), 0);
  auto server = StartEmpty(DefaultAddress());
  ASSERT_THAT(server, IsOk());
  struct stat status = {};
  ASSERT_EQ(stat((runtime / "ecf8").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700u);
  EXPECT_THAT(WeightClient::Connect(DefaultAddress(), seconds(20)), IsOk());
  server->reset();

  ASSERT_EQ(chmod((runtime / "ecf8").c_str(), 0777), 0);
  EXPECT_EQ(StartEmpty(DefaultAddress()).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(WeightClient::Connect(DefaultAddress(), seconds(20)).status().code(),
            absl::StatusCode::kFailedPrecondition);
  ASSERT_EQ(unsetenv("XDG_RUNTIME_DIR"), 0);
}

TEST(Client, SaysWhereNobodyAnswers) {
  const testing::TempDir directory;
  EXPECT_THAT(WeightClient::Connect({.socket_path = directory / "none"}, seconds(20)),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(directory / "none")));
}

TEST(Client, AStopEndsAFetch) {
  TestServer server(kLarge);
  std::stop_source stop;
  const auto client = WeightClient::Connect(server.address(), seconds(20), stop.get_token());
  ASSERT_THAT(client, IsOk());
  class Stopper final : public FetchSink {
   public:
    explicit Stopper(std::stop_source* stop) : stop_(stop) {}
    absl::Status UnitBegin(const v1::Unit&) override { return absl::OkStatus(); }
    absl::Status UnitData(uint64_t, std::string_view) override {
      stop_->request_stop();
      return absl::OkStatus();
    }
    absl::Status UnitEnd() override { return absl::OkStatus(); }

   private:
    std::stop_source* const stop_;
  };
  Stopper sink(&stop);
  EXPECT_EQ((*client)->Fetch(Request(v1::FORM_DECODED), false, sink).code(),
            absl::StatusCode::kCancelled);
  EXPECT_TRUE(server.WaitForStreams(0));
}

TEST(Drain, LetsStreamsEndAndRefusesNewOnes) {
  TestServer server(kLarge);
  const auto stub = server.Stub();
  grpc::ClientContext context;
  const auto reader = stub->Fetch(&context, Request(v1::FORM_DECODED));
  v1::FetchResponse message;
  ASSERT_TRUE(reader->Read(&message));
  ASSERT_TRUE(server.WaitForStreams(1));

  bool all_ended = false;
  std::thread drain([&] { all_ended = server.server().Drain(seconds(60), nullptr); });
  // The socket goes first; then nobody new gets in.
  while (std::filesystem::exists(server.address().socket_path)) {
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_EQ(WeightClient::Connect(server.address(), milliseconds(500)).status().code(),
            absl::StatusCode::kUnavailable);
  int ends = 0;
  while (reader->Read(&message)) ends += message.has_end() ? 1 : 0;
  EXPECT_THAT(FromGrpcStatus(reader->Finish()), IsOk());
  EXPECT_EQ(ends, 4);
  drain.join();
  EXPECT_TRUE(all_ended);
}

TEST(Drain, EndsSlowStreamsWithUnavailableWhenTheTimeIsUp) {
  TestServer server(kLarge);
  const auto stub = server.Stub();
  grpc::ClientContext context;
  const auto reader = stub->Fetch(&context, Request(v1::FORM_DECODED));
  v1::FetchResponse message;
  ASSERT_TRUE(reader->Read(&message));
  ASSERT_TRUE(server.WaitForStreams(1));
  std::thread drain([&] { EXPECT_FALSE(server.server().Drain(milliseconds(100), nullptr)); });
  std::this_thread::sleep_for(milliseconds(300));
  while (reader->Read(&message)) {
  }
  const absl::Status status = FromGrpcStatus(reader->Finish());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  ASSERT_TRUE(GetErrorInfo(status).has_value()) << status;
  EXPECT_EQ(GetErrorInfo(status)->reason, ErrorReason::kShuttingDown);
  drain.join();
}

TEST(Drain, CutsStreamsThatNobodyReads) {
  TestServer server(kLarge);
  const auto stub = server.Stub();
  grpc::ClientContext context;
  const auto reader = stub->Fetch(&context, Request(v1::FORM_DECODED));
  ASSERT_TRUE(server.WaitForStreams(1));
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_FALSE(server.server().Drain(milliseconds(100), nullptr));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(10));
  EXPECT_FALSE(std::filesystem::exists(server.address().socket_path));
  context.TryCancel();
  reader->Finish();
}

TEST(Drain, HurriesWhenToldTo) {
  TestServer server(kLarge);
  const auto stub = server.Stub();
  grpc::ClientContext context;
  const auto reader = stub->Fetch(&context, Request(v1::FORM_DECODED));
  ASSERT_TRUE(server.WaitForStreams(1));
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_FALSE(server.server().Drain(seconds(600), [] { return true; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(10));
  context.TryCancel();
  reader->Finish();
}

}  // namespace
}  // namespace ecf8
