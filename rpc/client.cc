#include "rpc/client.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <stop_token>
#include <thread>
#include <utility>

#include "decoder/status_macros.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/sync_stream.h"
#include "loader/base/mutex.h"
#include "loader/base/strings.h"
#include "loader/model/error_info.h"
#include "rpc/call_ends.h"
#include "rpc/error_status.h"
#include "rpc/fetch_message.h"
#include "rpc/grpc_lifetime.h"
#include "rpc/unix_socket.h"

namespace ecf8 {
namespace {

// Data messages are 1 MiB; the description of a unit with very many tensors may be larger.
constexpr int kMaxMessageBytes = 64 << 20;
// Of HTTP/2, which has 16 KiB by itself: a message would come in 65.
constexpr int kFrameBytes = 1 << 20;
constexpr std::chrono::milliseconds kStopInterval(50);
constexpr uint32_t kMaxUnits = 1 << 22;
// gRPC shares a connection between channels of which it is told the same.
constexpr char kConnectionArgument[] = "ecf8.connection";
constexpr char kFetchMethod[] = "/ecf8.v1.WeightService/Fetch";
// How long a recording that is stopped may take to end in order.
constexpr std::chrono::seconds kRecordingGrace(3);
// A daemon that is restarted is found again this soon.
constexpr int kFirstReconnectMs = 50;
constexpr int kLastReconnectMs = 500;

// Cancels a call where `grace` has passed since a stop was requested, and the call goes on.
class LateCancel {
 public:
  LateCancel(grpc::ClientContext* context, const std::stop_token& stop, std::chrono::seconds grace)
      : thread_([this, context, grace] {
          MutexLock lock(mutex_);
          while (!done_ && !stopped_) changed_.Wait(lock);
          const auto end = std::chrono::steady_clock::now() + grace;
          while (!done_ && std::chrono::steady_clock::now() < end) changed_.WaitUntil(lock, end);
          if (!done_) context->TryCancel();
        }),
        on_stop_(stop, Stopper{this}) {}

  ~LateCancel() {
    Set(&done_);
    thread_.join();
  }

  LateCancel(const LateCancel&) = delete;
  LateCancel& operator=(const LateCancel&) = delete;

 private:
  struct Stopper {
    LateCancel* self;
    void operator()() const { self->Set(&self->stopped_); }
  };

  void Set(bool* flag) {
    {
      MutexLock lock(mutex_);
      *flag = true;
    }
    changed_.NotifyAll();
  }

  Mutex mutex_;
  CondVar changed_;
  bool stopped_ = false;  // with the lock, as done_
  bool done_ = false;
  std::thread thread_;
  std::stop_callback<Stopper> on_stop_;
};

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
    const Address& address, std::chrono::milliseconds timeout, std::stop_token stop,
    const ClientCredentials& credentials, int connection) {
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
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, kFrameBytes);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLastReconnectMs);
  arguments.SetInt(kConnectionArgument, connection);
  ECF8_ASSIGN_OR_RETURN(const auto channel_credentials,
                        MakeChannelCredentials(address, credentials));
  auto channel = grpc::CreateCustomChannel(address.ToGrpcTarget(), channel_credentials, arguments);
  std::unique_ptr<WeightClient> client(
      new WeightClient(address, std::move(channel), std::move(stop)));
  ECF8_RETURN_IF_ERROR(client->WaitUntilReady(
      {.deadline = std::chrono::steady_clock::now() + timeout}, /*until_failure=*/true));
  return client;
}

WeightClient::WeightClient(Address address, std::shared_ptr<grpc::Channel> channel,
                           std::stop_token stop)
    : address_(std::move(address)),
      channel_(std::move(channel)),
      stub_(v1::WeightService::NewStub(channel_)),
      model_stub_(v1::ModelService::NewStub(channel_)),
      control_stub_(v1::ControlService::NewStub(channel_)),
      fetch_method_(kFetchMethod, grpc::internal::RpcMethod::SERVER_STREAMING, channel_),
      stop_(std::move(stop)) {}

absl::Status WeightClient::WaitForConnection(const CallLimits& limits) {
  grpc::experimental::ChannelResetConnectionBackoff(channel_.get());
  return WaitUntilReady(limits, /*until_failure=*/false);
}

// The channel keeps trying.
absl::Status WeightClient::WaitUntilReady(const CallLimits& limits, bool until_failure) {
  grpc_connectivity_state state = channel_->GetState(/*try_to_connect=*/true);
  while (state != GRPC_CHANNEL_READY &&
         !(until_failure && state == GRPC_CHANNEL_TRANSIENT_FAILURE)) {
    if (stop_.stop_requested() || limits.stop.stop_requested()) {
      return absl::CancelledError("interrupted");
    }
    if (std::chrono::steady_clock::now() >= limits.deadline) break;
    channel_->WaitForStateChange(
        state, ToGrpcDeadline(
                   std::min(limits.deadline, std::chrono::steady_clock::now() + kStopInterval)));
    state = channel_->GetState(/*try_to_connect=*/true);
  }
  return state == GRPC_CHANNEL_READY ? absl::OkStatus() : Unreachable();
}

absl::Status WeightClient::Unreachable() {
  if (address_.is_unix()) ECF8_RETURN_IF_ERROR(CheckMayConnect(address_.socket_path));
  if (!address_.tls) {
    return absl::UnavailableError("no daemon answers at " + address_.ToString() +
                                  ": start ecf8d, or name its address with --daemon");
  }
  // Whether nobody is there, or somebody who is not believed, is known to a call alone.
  LimitedContext context({.deadline = std::chrono::steady_clock::now() + kStopInterval}, stop_);
  v1::ListModelsResponse response;
  const grpc::Status status = stub_->ListModels(context.get(), v1::ListModelsRequest(), &response);
  return absl::UnavailableError("no daemon that is believed answers at " + address_.ToString() +
                                ": " + status.error_message());
}

absl::StatusOr<std::vector<v1::Model>> WeightClient::ListModels(const CallLimits& limits) {
  LimitedContext context(limits, stop_);
  v1::ListModelsResponse response;
  ECF8_RETURN_IF_ERROR(context.Explain(
      FromGrpcStatus(stub_->ListModels(context.get(), v1::ListModelsRequest(), &response))));
  return std::vector<v1::Model>(response.models().begin(), response.models().end());
}

absl::StatusOr<v1::GetStatusResponse> WeightClient::GetStatus(const CallLimits& limits) {
  LimitedContext context(limits, stop_);
  v1::GetStatusResponse response;
  ECF8_RETURN_IF_ERROR(context.Explain(
      FromGrpcStatus(stub_->GetStatus(context.get(), v1::GetStatusRequest(), &response))));
  return response;
}

absl::StatusOr<uint64_t> WeightClient::ReadFile(const v1::ReadFileRequest& request,
                                                absl::Span<uint8_t> out,
                                                std::atomic<uint64_t>& received_bytes,
                                                const CallLimits& limits) {
  received_bytes.store(0);
  LimitedContext context(limits, stop_);
  const auto reader = stub_->ReadFile(context.get(), request);
  v1::ReadFileResponse part;
  uint64_t file_size_bytes = 0;
  size_t done = 0;
  bool is_too_much = false;
  while (!is_too_much && reader->Read(&part)) {
    file_size_bytes = part.file_size_bytes();
    is_too_much = part.data().size() > out.size() - done;
    if (is_too_much) {
      context.get()->TryCancel();
    } else {
      std::copy(part.data().begin(), part.data().end(), out.begin() + static_cast<ptrdiff_t>(done));
      done += part.data().size();
      received_bytes.store(done);
    }
  }
  const absl::Status status = context.Explain(FromGrpcStatus(reader->Finish()));
  if (is_too_much) return absl::DataLossError("more came than was asked for");
  ECF8_RETURN_IF_ERROR(status);
  if (done < out.size()) return absl::DataLossError("less came than was asked for");
  return file_size_bytes;
}

absl::StatusOr<v1::Model> WeightClient::AddModel(const std::string& name,
                                                 const std::string& digest) {
  LimitedContext context({}, stop_);
  v1::AddModelRequest request;
  request.set_name(name);
  request.set_digest(digest);
  v1::AddModelResponse response;
  ECF8_RETURN_IF_ERROR(FromGrpcStatus(model_stub_->AddModel(context.get(), request, &response)));
  return response.model();
}

absl::StatusOr<v1::Model> WeightClient::RemoveModel(const std::string& name,
                                                    const std::string& digest) {
  LimitedContext context({}, stop_);
  v1::RemoveModelRequest request;
  request.set_name(name);
  request.set_digest(digest);
  v1::RemoveModelResponse response;
  ECF8_RETURN_IF_ERROR(FromGrpcStatus(model_stub_->RemoveModel(context.get(), request, &response)));
  return response.model();
}

absl::StatusOr<v1::Model> WeightClient::DescribeModel(
    const std::string& model, bool with_chunks,
    const std::function<absl::Status(const v1::Unit&)>& on_unit, const CallLimits& limits) {
  v1::DescribeModelRequest request;
  request.set_model(model);
  request.set_with_chunks(with_chunks);
  LimitedContext context(limits, stop_);
  const auto reader = stub_->DescribeModel(context.get(), request);
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
      if (!error.ok()) break;
      error = unit.index() == unit_count
                  ? on_unit(unit)
                  : absl::DataLossError("the daemon's units are out of order");
      if (error.ok() && unit_count++ == kMaxUnits) error = absl::DataLossError("too many units");
    }
  }
  ECF8_RETURN_IF_ERROR(context.Explain(EndStream(*reader, *context.get(), error)));
  if (!has_model || unit_count != described.unit_count()) {
    return absl::DataLossError("the daemon described only some of the units");
  }
  return described;
}

absl::Status WeightClient::Fetch(const v1::FetchRequest& request, bool verify, FetchSink& sink,
                                 const CallLimits& limits) {
  uint32_t model_units = 0;
  if (request.units().empty() && request.tensors().empty()) {
    ECF8_ASSIGN_OR_RETURN(const std::vector<v1::Model> models, ListModels(limits));
    const auto model = std::find_if(models.begin(), models.end(), [&](const v1::Model& one) {
      return one.name() == request.model();
    });
    if (model == models.end()) {
      return WithErrorInfo(absl::NotFoundError("no model " + Quoted(request.model())),
                           {.reason = ErrorReason::kModelNotFound, .model = request.model()});
    }
    model_units = model->unit_count();
  }
  LimitedContext context(limits, stop_);
  // As the stub does it, but for the bytes of the messages.
  const std::unique_ptr<grpc::ClientReader<grpc::ByteBuffer>> reader(
      grpc::internal::ClientReaderFactory<grpc::ByteBuffer>::Create(channel_.get(), fetch_method_,
                                                                    context.get(), request));
  FetchChecker checker(request, model_units, verify, sink);
  absl::Status error;
  grpc::ByteBuffer buffer;
  ReceivedMessage message;
  while (error.ok() && reader->Read(&buffer)) {
    error = message.Parse(buffer);
    if (error.ok()) error = checker.Accept(message);
  }
  ECF8_RETURN_IF_ERROR(context.Explain(EndStream(*reader, *context.get(), error)));
  return checker.Finish();
}

absl::Status WeightClient::RecordAccesses(const v1::RecordAccessesRequest& request,
                                          std::chrono::milliseconds duration, RecordingSink& sink) {
  LimitedContext context({});
  const LateCancel late_cancel(context.get(), stop_, kRecordingGrace);
  const auto reader = stub_->RecordAccesses(context.get(), request);
  RecordingChecker checker(sink);
  RecordingEnd end(duration);
  absl::Status error;
  v1::RecordAccessesResponse message;
  bool ended = false;
  while (error.ok() && !ended && reader->Read(&message)) {
    error = checker.Accept(message);
    ended = error.ok() && checker.begun() && end.Reached(checker.time_us(), stop_.stop_requested());
  }
  if (ended) context.get()->TryCancel();
  const absl::Status status = EndStream(*reader, *context.get(), error);
  if (ended) return absl::OkStatus();
  return stop_.stop_requested() ? absl::CancelledError("interrupted") : status;
}

}  // namespace ecf8
