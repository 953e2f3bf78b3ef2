#include "tools/ecf8/bare_grpc.h"

#include <algorithm>

#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "rpc/error_status.h"

namespace ecf8 {
namespace {

constexpr uint64_t kMessageBytes = 1 << 20;

class BareStream final : public grpc::ServerWriteReactor<v1::FetchResponse> {
 public:
  explicit BareStream(uint64_t bytes) : left_(bytes) {
    message_.mutable_data()->mutable_data()->assign(kMessageBytes, 'x');
    WriteNext();
  }
  void OnWriteDone(bool ok) override {
    if (!ok) left_ = 0;
    WriteNext();
  }
  void OnDone() override { delete this; }

 private:
  void WriteNext() {
    if (left_ == 0) return Finish(grpc::Status::OK);
    const uint64_t size = std::min(left_, kMessageBytes);
    if (size < kMessageBytes) message_.mutable_data()->mutable_data()->resize(size);
    left_ -= size;
    StartWrite(&message_);
  }

  uint64_t left_;
  v1::FetchResponse message_;
};

class BarePings final : public grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionResponse> {
 public:
  BarePings() { StartRead(&request_); }
  void OnReadDone(bool ok) override {
    if (ok) return StartWrite(&response_);
    Finish(grpc::Status::OK);
  }
  void OnWriteDone(bool /*ok*/) override { StartRead(&request_); }
  void OnDone() override { delete this; }

 private:
  v1::SessionRequest request_;
  const v1::SessionResponse response_;
};

class BareService final : public v1::WeightService::CallbackService {
 public:
  explicit BareService(uint64_t stream_bytes) : stream_bytes_(stream_bytes) {}
  grpc::ServerWriteReactor<v1::FetchResponse>* Fetch(grpc::CallbackServerContext* /*context*/,
                                                     const v1::FetchRequest* /*request*/) override {
    return new BareStream(stream_bytes_);
  }
  grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionResponse>* Session(
      grpc::CallbackServerContext* /*context*/) override {
    return new BarePings;
  }

 private:
  const uint64_t stream_bytes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<BareGrpc>> BareGrpc::Start(const std::string& socket_path,
                                                          uint64_t stream_bytes) {
  std::unique_ptr<BareGrpc> self(new BareGrpc);
  self->service_ = std::make_unique<BareService>(stream_bytes);
  grpc::ServerBuilder builder;
  const std::string address = "unix:" + socket_path;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterService(self->service_.get());
  self->server_ = builder.BuildAndStart();
  if (self->server_ == nullptr) return absl::InternalError("no server at " + socket_path);
  self->stub_ =
      v1::WeightService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  self->pings_ = self->stub_->Session(&self->ping_context_);
  return self;
}

BareGrpc::~BareGrpc() {
  if (pings_ == nullptr) return;
  pings_->WritesDone();
  pings_->Finish();
}

absl::Status BareGrpc::Read() {
  grpc::ClientContext context;
  const auto reader = stub_->Fetch(&context, v1::FetchRequest());
  v1::FetchResponse message;
  while (reader->Read(&message)) {
  }
  return FromGrpcStatus(reader->Finish());
}

absl::Status BareGrpc::Ping() {
  v1::SessionResponse response;
  if (pings_->Write(v1::SessionRequest()) && pings_->Read(&response)) return absl::OkStatus();
  return absl::UnavailableError("the bare stream has ended");
}

}  // namespace ecf8
