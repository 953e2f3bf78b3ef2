// What one peer may do to the socket: flood it, be slow, be idle, send too much. Each time another
// client is served meanwhile, and the server stays small.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "loader/base/descriptor.h"
#include "tests/rpc/test_server.h"
#include "tests/support/heap_bytes.h"
#include "tests/support/open_descriptors.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_certificates.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::CollectingSink;
using ::ecf8::testing::HeapBytes;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::SettledHeapBytes;
using ::ecf8::testing::StatusIs;
using ::ecf8::testing::Within20s;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

class ConnectionLimitsTest : public ::testing::Test {
 protected:
  ConnectionLimitsTest() {
    tensors_ = testing::MakeCompressedModel(directory_.path(), "small");
    options_.address.host = "127.0.0.1";
    options_.engine = testing::SmallEngine();
  }

  void Start() {
    auto server = Server::Start({testing::OpenModel(directory_ / "small")}, options_);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }

  // A bare connection that comes from `source`; of nothing where the server takes none.
  Descriptor ConnectFrom(const char* source) const {
    Descriptor fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    inet_pton(AF_INET, source, &address.sin_addr);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    address.sin_port = htons(server_->address().port);
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }

  // Waits for the server to close the connection, whatever it says before.
  static bool IsClosed(const Descriptor& connection, milliseconds patience = seconds(30)) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (true) {
      const auto left =
          std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
      pollfd one = {connection.get(), POLLIN, 0};
      if (poll(&one, 1, std::max(0, static_cast<int>(left.count()))) <= 0) return false;
      char bytes[512];
      if (recv(connection.get(), bytes, sizeof(bytes), 0) <= 0) return true;
    }
  }

  // A client on a connection of its own, from 127.0.0.1.
  std::shared_ptr<grpc::Channel> Channel() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(server_->address().ToGrpcTarget(),
                                     grpc::InsecureChannelCredentials(), arguments);
  }

  // Somebody else, who gets every byte.
  void ExpectOthersAreServed() const {
    const auto client = WeightClient::Connect(server_->address(), seconds(20));
    ASSERT_THAT(client, IsOk());
    CollectingSink sink;
    EXPECT_THAT((*client)->Fetch(testing::Request(v1::FORM_DECODED), false, sink), IsOk());
    EXPECT_EQ(sink.tensors, tensors_);
  }

  size_t OpenConnections() const { return server_->connection_stats().open; }

  testing::TempDir directory_;
  testing::TensorBytes tensors_;
  ServerOptions options_;
  std::unique_ptr<Server> server_;
};

TEST_F(ConnectionLimitsTest, AFloodOfConnectionsTakesItsShareAlone) {
  options_.limits.connections = {.max_connections = 16, .max_peer_connections = 8};
  Start();
  ExpectOthersAreServed();
  const size_t before = HeapBytes();
  std::vector<Descriptor> flood;
  for (int i = 0; i < 400; ++i) flood.push_back(ConnectFrom("127.0.0.2"));
  EXPECT_TRUE(Within20s([&] { return server_->connection_stats().refused_full >= 392; }));
  ExpectOthersAreServed();
  EXPECT_TRUE(Within20s([&] { return OpenConnections() >= 8; }));
  EXPECT_LE(OpenConnections(), 10u);
  EXPECT_LT(SettledHeapBytes(), before + (4u << 20));
  int closed = 0;
  for (const Descriptor& connection : flood) closed += IsClosed(connection, milliseconds(1));
  EXPECT_GE(closed, 392);
  flood.clear();
  EXPECT_TRUE(Within20s([&] { return OpenConnections() <= 2; })) << "who leaves makes room";
  const Descriptor again = ConnectFrom("127.0.0.2");
  ASSERT_EQ(send(again.get(), kPreface.data(), kPreface.size(), MSG_NOSIGNAL), 24);
  char byte = 0;
  EXPECT_EQ(recv(again.get(), &byte, 1, 0), 1) << "the server's settings";
}

// Most say nothing, some begin, some say nonsense; all leave at once. ECF8_CONNECTIONS: so many.
TEST_F(ConnectionLimitsTest, ConnectionsThatComeAndGo) {
  Start();
  ExpectOthersAreServed();
  const char* const wanted = std::getenv("ECF8_CONNECTIONS");
  const int count = wanted == nullptr ? 2000 : std::atoi(wanted);
  size_t before = 0;
  size_t descriptors = 0;
  for (int i = 0; i < count; ++i) {
    if (i == count / 2) {
      EXPECT_TRUE(Within20s([&] { return OpenConnections() <= 1; }));
      before = SettledHeapBytes();
      descriptors = testing::OpenDescriptors();
    }
    // Each of a thousand addresses in turn: a port of one is not free again at once.
    const std::string source = "127.0." + std::to_string(1 + i % 250) + ".2";
    const Descriptor connection = ConnectFrom(source.c_str());
    if (i % 4 == 0) send(connection.get(), kPreface.data(), kPreface.size(), MSG_NOSIGNAL);
    if (i % 4 == 1) send(connection.get(), "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL);
  }
  ExpectOthersAreServed();
  EXPECT_TRUE(Within20s([&] { return OpenConnections() <= 1; }));
  EXPECT_TRUE(Within20s([&] { return testing::OpenDescriptors() <= descriptors + 4; }))
      << testing::OpenDescriptors() << " descriptors, " << descriptors << " before";
  EXPECT_TRUE(Within20s([&] { return HeapBytes() < before + (2u << 20); }))
      << HeapBytes() - before << " bytes more than at half of the way";
}

TEST_F(ConnectionLimitsTest, AllTogetherAreNoMoreThanTheyMayBe) {
  options_.limits.connections = {.max_connections = 6, .max_peer_connections = 4};
  Start();
  std::vector<Descriptor> flood;
  for (const char* source : {"127.0.0.2", "127.0.0.3", "127.0.0.4"}) {
    for (int i = 0; i < 10; ++i) flood.push_back(ConnectFrom(source));
  }
  EXPECT_TRUE(Within20s([&] { return server_->connection_stats().refused_full == 24; }));
  EXPECT_EQ(server_->connection_stats().accepted, 6u);
}

// Those who connect and say nothing, or little, again and again, are cut off in time.
TEST_F(ConnectionLimitsTest, SlowBeginnersAreCutOff) {
  options_.limits.handshake_timeout = milliseconds(3000);
  Start();
  std::vector<Descriptor> silent, slow;
  for (int i = 0; i < 32; ++i) {
    silent.push_back(ConnectFrom("127.0.0.2"));
    slow.push_back(ConnectFrom("127.0.0.2"));
    send(slow.back().get(), kPreface.data(), 1 + i % 24, MSG_NOSIGNAL);
  }
  ExpectOthersAreServed();
  for (const Descriptor& connection : silent) EXPECT_TRUE(IsClosed(connection));
  for (const Descriptor& connection : slow) EXPECT_TRUE(IsClosed(connection));
  EXPECT_TRUE(Within20s([&] { return OpenConnections() <= 2; }));
  ExpectOthersAreServed();
}

TEST_F(ConnectionLimitsTest, SlowBeginnersAreCutOffWithTlsToo) {
  const testing::TestCertificate ca = testing::MakeCa("ours");
  const testing::TestCertificate server = testing::MakeCertificate(ca, "server");
  testing::WriteFile(directory_ / "ca.pem", ca.certificate);
  testing::WriteFile(directory_ / "server.pem", server.certificate);
  testing::WriteFile(directory_ / "server.key", server.key);
  options_.tls = {.certificate_path = directory_ / "server.pem",
                  .key_path = directory_ / "server.key"};
  options_.limits.handshake_timeout = milliseconds(3000);
  Start();
  std::vector<Descriptor> silent;
  for (int i = 0; i < 16; ++i) silent.push_back(ConnectFrom("127.0.0.2"));
  constexpr std::string_view kHalfAHello("\x16\x03\x01\x02\x00\x01\x00", 7);
  for (size_t i = 0; i < silent.size(); i += 2) {
    send(silent[i].get(), kHalfAHello.data(), kHalfAHello.size(), MSG_NOSIGNAL);
  }
  Address address = server_->address();
  address.tls = true;
  const auto client =
      WeightClient::Connect(address, seconds(20), {}, {.ca_path = directory_ / "ca.pem"});
  ASSERT_THAT(client, IsOk());
  EXPECT_THAT((*client)->ListModels(), IsOk());
  for (const Descriptor& connection : silent) EXPECT_TRUE(IsClosed(connection));
  EXPECT_THAT((*client)->ListModels(), IsOk());
}

TEST_F(ConnectionLimitsTest, IdleConnectionsAreClosedAndComeBack) {
  options_.limits.idle_timeout = milliseconds(200);
  Start();
  const auto channel = Channel();
  const auto list = [&] {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + seconds(20));
    v1::ListModelsResponse response;
    return FromGrpcStatus(v1::WeightService::NewStub(channel)->ListModels(&context, {}, &response));
  };
  EXPECT_THAT(list(), IsOk());
  EXPECT_TRUE(Within20s([&] { return channel->GetState(false) == GRPC_CHANNEL_IDLE; }));
  EXPECT_TRUE(Within20s([&] { return OpenConnections() == 0; }));
  EXPECT_THAT(list(), IsOk());
}

TEST_F(ConnectionLimitsTest, WhatIsTooLargeIsRefused) {
  options_.limits.max_request_bytes = 64 << 10;
  Start();
  const auto channel = Channel();
  const auto stub = v1::WeightService::NewStub(channel);
  v1::FetchRequest request = testing::Request(v1::FORM_DECODED);
  request.add_units(std::string(100 << 10, 'u'));
  const auto end = [&](grpc::ClientContext& context) {
    const auto reader = stub->Fetch(&context, request);
    v1::FetchResponse response;
    while (reader->Read(&response)) {
    }
    return FromGrpcStatus(reader->Finish());
  };
  grpc::ClientContext large_message;
  EXPECT_THAT(end(large_message),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("larger")));
  request.clear_units();
  grpc::ClientContext large_metadata;
  large_metadata.AddMetadata("x-request-id", std::string(1 << 20, 'm'));
  EXPECT_EQ(end(large_metadata).code(), absl::StatusCode::kResourceExhausted);
  // That may have cost it the connection, but no more.
  EXPECT_TRUE(Within20s([&] {
    grpc::ClientContext right;
    return end(right).ok();
  }));
  ExpectOthersAreServed();
}

TEST_F(ConnectionLimitsTest, AConnectionHasSoManyCallsAtOnce) {
  options_.limits.connection_streams = 2;
  testing::MakeCompressedModel(directory_.path(), "large",
                               {.layers = 2, .projection_rows = 20'000});
  auto server = Server::Start(
      {testing::OpenModel(directory_ / "small"), testing::OpenModel(directory_ / "large")},
      options_);
  ASSERT_THAT(server, IsOk());
  server_ = *std::move(server);
  const auto channel = Channel();
  v1::FetchRequest request = testing::Request(v1::FORM_DECODED);
  request.set_model("large");
  std::vector<std::unique_ptr<testing::SlowClient>> slow;
  for (int i = 0; i < 2; ++i) {
    slow.push_back(
        std::make_unique<testing::SlowClient>(v1::WeightService::NewStub(channel), request));
    ASSERT_TRUE(slow.back()->ReadOne());
  }
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + milliseconds(300));
  v1::ListModelsResponse response;
  const auto stub = v1::WeightService::NewStub(channel);
  EXPECT_EQ(stub->ListModels(&context, {}, &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  ExpectOthersAreServed();
  for (const auto& client : slow) client->Cancel();
  for (const auto& client : slow) client->ReadToTheEnd().IgnoreError();
  grpc::ClientContext later;
  EXPECT_TRUE(stub->ListModels(&later, {}, &response).ok());
}

}  // namespace
}  // namespace ecf8
