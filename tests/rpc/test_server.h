// A server in this process, with one small model "small", on a socket of its own; with another one
// besides, "other", where a test wants it.
#ifndef ECF8_TESTS_RPC_TEST_SERVER_H_
#define ECF8_TESTS_RPC_TEST_SERVER_H_

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "ecf8/v1/weights.grpc.pb.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "rpc/client.h"
#include "rpc/error_status.h"
#include "rpc/server.h"
#include "tests/support/small_model.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace ecf8::testing {

// Enough for the models of these tests, and quick to start.
inline EngineOptions SmallEngine() {
  EngineOptions options;
  options.host_budget_bytes = 64 << 20;
  options.slot_budget_bytes = 64 << 20;
  options.decode_threads = 2;
  options.touch_threads = 0;
  return options;
}

// A client that opens a fetch and reads only when told.
class SlowClient {
 public:
  explicit SlowClient(std::unique_ptr<v1::WeightService::Stub> stub,
                      const v1::FetchRequest& request)
      : stub_(std::move(stub)), reader_(stub_->Fetch(&context_, request)) {}

  bool ReadOne() {
    v1::FetchResponse message;
    return reader_->Read(&message);
  }
  // Ends at the server's end, or at a read after a cancel.
  absl::Status ReadToTheEnd() {
    while (ReadOne()) {
    }
    return FromGrpcStatus(reader_->Finish());
  }
  void Cancel() { context_.TryCancel(); }

 private:
  const std::unique_ptr<v1::WeightService::Stub> stub_;
  grpc::ClientContext context_;
  const std::unique_ptr<grpc::ClientReader<v1::FetchResponse>> reader_;
};

class TestServer {
 public:
  static constexpr size_t kMaxModels = 4;  // any that lie in directory()

  explicit TestServer(const SmallModelOptions& model = {}, size_t max_streams = 64)
      : TestServer(model, SmallEngine(), max_streams) {}

  TestServer(const SmallModelOptions& model, const EngineOptions& engine, size_t max_streams = 64,
             const SessionLimits& session = {}, bool with_other = false,
             uint64_t preload_bytes_per_second = 0) {
    tensors_ = MakeCompressedModel(directory_.path(), "small", model);
    model_ = OpenModel(directory_ / "small");
    OpenedModels served = {model_};
    if (with_other) {
      MakeCompressedModel(directory_.path(), "other", model);
      served.push_back(OpenModel(directory_ / "other"));
    }
    ServerOptions options;
    options.address.socket_path = directory_ / "s.sock";
    options.threads = 2;
    options.max_streams = max_streams;
    options.engine = engine;
    options.session = session;
    options.preload_bytes_per_second = preload_bytes_per_second;
    options.model_roots = *ModelRoots::Open({directory_.path()});
    options.max_models = kMaxModels;
    auto server = Server::Start(served, options);
    EXPECT_TRUE(server.ok()) << server.status();
    if (server.ok()) server_ = *std::move(server);
  }

  Server& server() { return *server_; }
  const Engine& engine() const { return server_->engine(); }
  const CompressedModel& model() const { return *model_; }
  const TensorBytes& tensors() const { return tensors_; }
  const TempDir& directory() const { return directory_; }
  Address address() const { return Address{.socket_path = directory_ / "s.sock"}; }

  std::unique_ptr<WeightClient> Connect() const {
    auto client = WeightClient::Connect(address(), std::chrono::seconds(20));
    EXPECT_TRUE(client.ok()) << client.status();
    return client.ok() ? *std::move(client) : nullptr;
  }

  // With a connection of its own.
  std::shared_ptr<grpc::Channel> Channel() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // a window of 64 KiB that does not grow
    return grpc::CreateCustomChannel(address().ToGrpcTarget(), grpc::InsecureChannelCredentials(),
                                     arguments);
  }
  // Without our client's checks.
  std::unique_ptr<v1::WeightService::Stub> Stub() const {
    return v1::WeightService::NewStub(Channel());
  }

  // A fetch of the whole model, decoded, that is not read.
  std::unique_ptr<SlowClient> FetchSlowly() const;

  // Waits until the server has so many streams; false after 20 s.
  bool WaitForStreams(size_t count) const {
    return Within20s([&] { return server_->stream_count() == count; });
  }

 private:
  TempDir directory_;
  TensorBytes tensors_;
  std::shared_ptr<const CompressedModel> model_;
  std::unique_ptr<Server> server_;
};

inline v1::FetchRequest Request(v1::Form form, const std::vector<std::string>& units = {},
                                const std::vector<std::string>& tensors = {}) {
  v1::FetchRequest request;
  request.set_model("small");
  request.set_form(form);
  request.mutable_units()->Add(units.begin(), units.end());
  request.mutable_tensors()->Add(tensors.begin(), tensors.end());
  return request;
}

inline std::unique_ptr<SlowClient> TestServer::FetchSlowly() const {
  return std::make_unique<SlowClient>(Stub(), Request(v1::FORM_DECODED));
}

// Keeps what comes: of decoded units, the bytes of every tensor.
class CollectingSink final : public FetchSink {
 public:
  absl::Status UnitBegin(const v1::Unit& unit) override {
    unit_ = unit;
    units.push_back(unit.id());
    for (const v1::Tensor& tensor : unit.tensors()) tensors[tensor.name()];
    return absl::OkStatus();
  }
  absl::Status UnitData(uint64_t offset_bytes, std::string_view data) override {
    received_bytes += data.size();
    for (const v1::Tensor& tensor : unit_.tensors()) {
      const uint64_t begin = tensor.decoded_offset_bytes();
      if (offset_bytes >= begin && offset_bytes < begin + tensor.size_bytes()) {
        tensors[tensor.name()] += data;
      }
    }
    return absl::OkStatus();
  }
  absl::Status UnitEnd() override { return absl::OkStatus(); }

  std::vector<std::string> units;
  ::ecf8::testing::TensorBytes tensors;  // FetchSink has a member function of this name
  uint64_t received_bytes = 0;

 private:
  v1::Unit unit_;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_RPC_TEST_SERVER_H_
