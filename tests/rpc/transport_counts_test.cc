// What gRPC counts of connections is found by the connections that it is about: those of a Unix
// socket, which have no name, and those of TCP.

#include "rpc/transport_counts.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ecf8/v1/weights.grpc.pb.h"
#include "rpc/listener.h"
#include "rpc/listening_sockets.h"
#include "tests/support/temp_dir.h"
#include "tests/support/unix_client.h"
#include "tests/support/wait.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::Within20s;

class Service final : public v1::WeightService::CallbackService {
 public:
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const v1::ListModelsRequest* /*request*/,
                                       v1::ListModelsResponse* /*response*/) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

class TransportCountsTest : public ::testing::Test {
 protected:
  void Serve(std::vector<Descriptor> sockets) {
    grpc::ServerBuilder builder;
    builder.RegisterService(&service_);
    acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        grpc::InsecureServerCredentials());
    server_ = builder.BuildAndStart();
    counts_ = std::make_unique<TransportCounts>();
    ListenerOptions options;
    options.hand_over = [this](int listener_fd, int fd) {
      grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
      connection.listener_fd = listener_fd;
      connection.fd = fd;
      acceptor_->HandleNewConnection(&connection);
      MutexLock lock(mutex_);
      names_.push_back(counts_->NameOf(fd));
    };
    listener_ = *Listener::Start(std::move(sockets), std::move(options));
  }

  ~TransportCountsTest() override {
    if (listener_ == nullptr) return;
    listener_->Stop();
    server_->Shutdown();
  }

  // A client with a connection of its own, the `number`th, that asks so often.
  std::unique_ptr<v1::WeightService::Stub> Ask(const std::string& target, int calls) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    auto stub = v1::WeightService::NewStub(
        grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments));
    for (int i = 0; i < calls; ++i) {
      grpc::ClientContext context;
      v1::ListModelsResponse response;
      EXPECT_TRUE(stub->ListModels(&context, {}, &response).ok());
    }
    return stub;
  }

  std::optional<ConnectionCounts> CountsOf(size_t number) const {
    const TransportCounts::Counts all = counts_->Look();
    MutexLock lock(mutex_);
    if (number >= names_.size()) return std::nullopt;
    const auto found = all.find(names_[number]);
    return found == all.end() ? std::nullopt : std::optional(found->second);
  }

  // Three clients that ask once, twice, and not at all, and one that says nothing.
  void ExpectThatEachIsKnown(const std::string& target) {
    std::vector<std::unique_ptr<v1::WeightService::Stub>> clients;
    for (const int calls : {1, 2}) clients.push_back(Ask(target, calls));
    for (const uint64_t calls : {1, 2}) {
      EXPECT_TRUE(Within20s([&] {
        const auto counts = CountsOf(calls - 1);
        return counts && counts->calls_answered == calls;
      }));
      const auto counts = CountsOf(calls - 1);
      EXPECT_EQ(counts->calls_begun, calls);
      EXPECT_EQ(counts->calls_broken_off, 0u);
      EXPECT_EQ(counts->messages_sent, calls);
      EXPECT_FALSE(counts->has_call());
    }
    clients.front().reset();
    EXPECT_TRUE(Within20s([&] { return !CountsOf(0); })) << "who has left is counted no more";
    EXPECT_TRUE(CountsOf(1));
  }

  void ExpectThatEachIsKnownOverTcp(const std::string& host) {
    Address address{.host = host};
    auto sockets = ListenOnTcp(&address);
    if (!sockets.ok()) GTEST_SKIP() << sockets.status();
    Serve(*std::move(sockets));
    ExpectThatEachIsKnown(address.ToGrpcTarget());
  }

  testing::TempDir directory_;
  Service service_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<TransportCounts> counts_;
  mutable Mutex mutex_;
  std::vector<std::string> names_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Listener> listener_;
};

TEST_F(TransportCountsTest, OfAUnixSocket) {
  std::vector<Descriptor> sockets;
  sockets.push_back(*ListenOnUnix(directory_ / "s", std::nullopt));
  Serve(std::move(sockets));
  ExpectThatEachIsKnown("unix:" + (directory_ / "s"));
  const Descriptor silent = testing::ConnectToUnixSocket(directory_ / "s");
  EXPECT_TRUE(Within20s([&] { return CountsOf(2).has_value(); }));
  EXPECT_EQ(CountsOf(2)->calls_begun, 0u);
}

TEST_F(TransportCountsTest, OfIpv4) { ExpectThatEachIsKnownOverTcp("127.0.0.1"); }

TEST_F(TransportCountsTest, OfIpv6) { ExpectThatEachIsKnownOverTcp("::1"); }

}  // namespace
}  // namespace ecf8
