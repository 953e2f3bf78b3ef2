#include "rpc/client.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <utility>

#include "decoder/status_macros.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "rpc/call_ends.h"
#include "rpc/error_status.h"
#include "rpc/grpc_lifetime.h"
#include "rpc/unix_socket.h"

namespace ecf8 {
namespace {

// Data messages are 1 MiB; the description of a unit with very many tensors may be larger.
constexpr int kMaxMessageBytes = 64 << 20;
constexpr uint32_t kMaxUnits = 1 << 22;
// How long a recording that is cancelled may take to end in order.
constexpr std::chrono::seconds kRecordingGrace(3);

// When a recording ends, on the daemon's clock, which runs beside ours at a distance that only the
// messages show: none has come before it was sent.
class RecordingEnd {
 public:
  explicit RecordingEnd(std::chrono::milliseconds duration)
      : duration_us_(duration.count() * 1000) {}

  // After each message, which told all accesses up to `time_us`: true where that is enough.
  bool Reached(uint64_t time_us, bool cancelled) {
    const int64_t told_us = static_cast<int64_t>(time_us);
    const int64_t now_us = std::chrono::duration_cast<std::chrono::microseconds>(
                               std::chrono::steady_clock::now().time_since_epoch())
                               .count();
    ahead_us_ = std::max(ahead_us_, told_us - now_us);
    if (cancelled && cancelled_at_us_ == kNever) cancelled_at_us_ = now_us + ahead_us_;
    return (duration_us_ > 0 && told_us >= duration_us_) || told_us > cancelled_at_us_;
  }

 private:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  const int64_t duration_us_;
  int64_t ahead_us_ = std::numeric_limits<int64_t>::min();  // of the daemon's clock, at least
  int64_t cancelled_at_us_ = kNever;                        // on that clock
};

}  // namespace

absl::StatusOr<std::unique_ptr<WeightClient>> WeightClient::Connect(
    const Address& address, std::chrono::milliseconds timeout, const std::atomic<bool>* cancel) {
  KeepGrpc();
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

WeightClient::WeightClient(const std::shared_ptr<grpc::Channel>& channel,
                           const std::atomic<bool>* cancel)
    : stub_(v1::WeightService::NewStub(channel)),
      model_stub_(v1::ModelService::NewStub(channel)),
      control_stub_(v1::ControlService::NewStub(channel)),
      cancel_(cancel) {}

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

absl::StatusOr<v1::Model> WeightClient::AddModel(const std::string& name,
                                                 const std::string& digest) {
  grpc::ClientContext context;
  const CancelWatcher watcher(cancel_, &context);
  v1::AddModelRequest request;
  request.set_name(name);
  request.set_digest(digest);
  v1::AddModelResponse response;
  ECF8_RETURN_IF_ERROR(FromGrpcStatus(model_stub_->AddModel(&context, request, &response)));
  return response.model();
}

absl::StatusOr<v1::Model> WeightClient::RemoveModel(const std::string& name,
                                                    const std::string& digest) {
  grpc::ClientContext context;
  const CancelWatcher watcher(cancel_, &context);
  v1::RemoveModelRequest request;
  request.set_name(name);
  request.set_digest(digest);
  v1::RemoveModelResponse response;
  ECF8_RETURN_IF_ERROR(FromGrpcStatus(model_stub_->RemoveModel(&context, request, &response)));
  return response.model();
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

absl::Status WeightClient::RecordAccesses(const v1::RecordAccessesRequest& request,
                                          std::chrono::milliseconds duration, RecordingSink& sink) {
  grpc::ClientContext context;
  const CancelWatcher watcher(cancel_, &context, kRecordingGrace);
  const auto reader = stub_->RecordAccesses(&context, request);
  RecordingChecker checker(sink);
  RecordingEnd end(duration);
  absl::Status error;
  v1::RecordAccessesResponse message;
  bool ended = false;
  while (error.ok() && !ended && reader->Read(&message)) {
    error = checker.Accept(message);
    ended = error.ok() && checker.begun() && end.Reached(checker.time_us(), cancelled());
  }
  if (ended) context.TryCancel();
  const absl::Status status = EndStream(*reader, context, error);
  if (ended) return absl::OkStatus();
  return cancelled() ? absl::CancelledError("interrupted") : status;
}

}  // namespace ecf8
