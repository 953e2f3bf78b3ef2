#include "rpc/client.h"

#include <filesystem>
#include <thread>
#include <utility>

#include "decoder/status_macros.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "loader/base/mutex.h"
#include "rpc/error_status.h"
#include "rpc/unix_socket.h"

namespace ecf8 {
namespace {

// Data messages are 1 MiB; the description of a unit with very many tensors may be larger.
constexpr int kMaxMessageBytes = 64 << 20;
constexpr std::chrono::milliseconds kCancelInterval(50);
constexpr uint32_t kMaxUnits = 1 << 22;

// Cancels `context` soon after `flag` is set, while it exists. gRPC's calls block, and a signal
// handler may only set a flag.
class CancelWatcher {
 public:
  CancelWatcher(const std::atomic<bool>* flag, grpc::ClientContext* context) {
    if (flag == nullptr) return;
    thread_ = std::thread([this, flag, context] {
      MutexLock lock(mutex_);
      while (!done_ && !flag->load()) {
        wake_.WaitUntil(lock, std::chrono::steady_clock::now() + kCancelInterval);
      }
      if (!done_) context->TryCancel();
    });
  }

  ~CancelWatcher() {
    {
      MutexLock lock(mutex_);
      done_ = true;
    }
    wake_.NotifyAll();
    if (thread_.joinable()) thread_.join();
  }

  CancelWatcher(const CancelWatcher&) = delete;
  CancelWatcher& operator=(const CancelWatcher&) = delete;

 private:
  Mutex mutex_;
  CondVar wake_;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// Ends a stream: `error` is why the client stopped reading, if it did.
template <typename Reader>
absl::Status EndStream(Reader& reader, grpc::ClientContext& context, const absl::Status& error) {
  if (!error.ok()) context.TryCancel();
  const grpc::Status end = reader.Finish();
  return error.ok() ? FromGrpcStatus(end) : error;
}

}  // namespace

absl::StatusOr<std::unique_ptr<WeightClient>> WeightClient::Connect(
    const Address& address, std::chrono::milliseconds timeout, const std::atomic<bool>* cancel) {
  std::error_code ignored;
  if (IsDefaultAddress(address)) {
    const std::filesystem::path parent = std::filesystem::path(address.socket_path).parent_path();
    if (std::filesystem::exists(parent, ignored)) {
      ECF8_RETURN_IF_ERROR(CheckPrivateDirectory(parent.string(), /*create=*/false));
    }
  }
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  const auto channel = grpc::CreateCustomChannel(address.ToGrpcTarget(),
                                                 grpc::InsecureChannelCredentials(), arguments);
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  // The channel keeps trying; there is no use in waiting where nothing listens.
  grpc_connectivity_state state = channel->GetState(/*try_to_connect=*/true);
  while (state != GRPC_CHANNEL_READY && state != GRPC_CHANNEL_TRANSIENT_FAILURE) {
    if (cancel != nullptr && cancel->load()) return absl::CancelledError("interrupted");
    if (std::chrono::steady_clock::now() >= deadline) break;
    channel->WaitForStateChange(state, std::chrono::system_clock::now() + kCancelInterval);
    state = channel->GetState(/*try_to_connect=*/true);
  }
  if (state != GRPC_CHANNEL_READY) {
    return absl::UnavailableError("no daemon answers at " + address.ToString() +
                                  ": start ecf8d, or name its address with --daemon");
  }
  return std::unique_ptr<WeightClient>(new WeightClient(channel, cancel));
}

WeightClient::WeightClient(std::shared_ptr<grpc::Channel> channel, const std::atomic<bool>* cancel)
    : stub_(v1::WeightService::NewStub(std::move(channel))), cancel_(cancel) {}

bool WeightClient::cancelled() const { return cancel_ != nullptr && cancel_->load(); }

absl::StatusOr<std::vector<v1::Model>> WeightClient::ListModels() {
  grpc::ClientContext context;
  const CancelWatcher watcher(cancel_, &context);
  v1::ListModelsResponse response;
  ECF8_RETURN_IF_ERROR(
      FromGrpcStatus(stub_->ListModels(&context, v1::ListModelsRequest(), &response)));
  return std::vector<v1::Model>(response.models().begin(), response.models().end());
}

absl::StatusOr<v1::GetStatusResponse> WeightClient::GetStatus() {
  grpc::ClientContext context;
  const CancelWatcher watcher(cancel_, &context);
  v1::GetStatusResponse response;
  ECF8_RETURN_IF_ERROR(
      FromGrpcStatus(stub_->GetStatus(&context, v1::GetStatusRequest(), &response)));
  return response;
}

absl::StatusOr<v1::Model> WeightClient::DescribeModel(
    const std::string& model, bool with_chunks,
    const std::function<absl::Status(const v1::Unit&)>& on_unit) {
  v1::DescribeModelRequest request;
  request.set_model(model);
  request.set_with_chunks(with_chunks);
  grpc::ClientContext context;
  const CancelWatcher watcher(cancel_, &context);
  const auto reader = stub_->DescribeModel(&context, request);
  v1::Model described;
  bool has_model = false;
  uint32_t unit_count = 0;
  absl::Status error;
  v1::DescribeModelResponse message;
  while (error.ok() && reader->Read(&message)) {
    if (message.has_model() == has_model) {
      error = absl::DataLossError("the daemon described the model not at all, or twice");
    }
    if (message.has_model()) described = message.model();
    has_model = true;
    for (const v1::Unit& unit : message.units()) {
      if (error.ok() && unit_count++ == kMaxUnits) error = absl::DataLossError("too many units");
      if (error.ok()) error = on_unit(unit);
    }
  }
  ECF8_RETURN_IF_ERROR(EndStream(*reader, context, error));
  if (!has_model || unit_count != described.unit_count()) {
    return absl::DataLossError("the daemon described only some of the units");
  }
  return described;
}

absl::Status WeightClient::Fetch(const v1::FetchRequest& request, bool verify, FetchSink& sink) {
  uint32_t model_units = 0;
  if (request.units().empty() && request.tensors().empty()) {
    ECF8_ASSIGN_OR_RETURN(const std::vector<v1::Model> models, ListModels());
    for (const v1::Model& model : models) {
      if (model.name() == request.model()) model_units = model.unit_count();
    }
  }
  grpc::ClientContext context;
  const CancelWatcher watcher(cancel_, &context);
  const auto reader = stub_->Fetch(&context, request);
  FetchChecker checker(request, model_units, verify, sink);
  absl::Status error;
  v1::FetchResponse message;
  while (error.ok() && reader->Read(&message)) error = checker.Accept(message);
  if (absl::Status end = EndStream(*reader, context, error); !end.ok()) {
    return cancelled() ? absl::CancelledError("interrupted") : end;
  }
  return checker.Finish();
}

}  // namespace ecf8
