#include "rpc/error_status.h"

#include <optional>
#include <string>
#include <utility>

#include "ecf8/v1/error.pb.h"
#include "ecf8/v1/rpc_status.pb.h"
#include "loader/base/strings.h"
#include "loader/model/error_info.h"
#include "rpc/status_table.h"

namespace ecf8 {
namespace {

// The message travels twice (in grpc-message, where a byte may take three, and in the details) and
// the fields once, in base64: together less than gRPC's limit.
constexpr size_t kMaxMessageBytes = 800;
constexpr size_t kMaxFieldBytes = 256;

// The first `max_bytes` of `text`, at a character's boundary.
std::string Cut(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  size_t end = max_bytes;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

// Whether the message is about what the client asked for: we wrote it, from the request alone.
bool IsAboutRequest(ErrorReason reason) {
  switch (reason) {
    case ErrorReason::kModelNotFound:
    case ErrorReason::kUnitNotFound:
    case ErrorReason::kTensorNotFound:
    case ErrorReason::kBadRequest:
    case ErrorReason::kOverloaded:
    case ErrorReason::kShuttingDown:
    case ErrorReason::kBudgetTooSmall:
      return true;
    case ErrorReason::kUnspecified:
    case ErrorReason::kCorruptData:
    case ErrorReason::kReadFailed:
    case ErrorReason::kInternal:
      break;
  }
  return false;
}

std::string_view FaultOf(const ErrorInfo& info, absl::StatusCode code) {
  if (info.reason == ErrorReason::kCorruptData) return "the stored data is damaged";
  if (info.reason != ErrorReason::kReadFailed) return "internal error; the daemon's log says more";
  return code == absl::StatusCode::kResourceExhausted
             ? "the daemon has no file descriptors, or no memory, left for it; its log says more"
             : "the stored data could not be read";
}

std::string MessageFrom(const ErrorInfo& info, absl::StatusCode code) {
  std::string message;
  if (!info.model.empty()) message += "model " + Quoted(info.model) + ": ";
  if (!info.unit.empty()) message += "unit " + Quoted(info.unit) + ": ";
  if (!info.tensor.empty()) message += "tensor " + Quoted(info.tensor) + ": ";
  message += FaultOf(info, code);
  if (!info.shard.empty()) {
    message +=
        " (shard " + Quoted(info.shard) + ", offset " + std::to_string(info.offset_bytes) + ")";
  }
  return message;
}

std::string WithoutControls(std::string_view text) {
  std::string clean(text);
  for (char& c : clean) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  // U+0080 to U+009F, in UTF-8, are controls too.
  for (size_t i = 0; i + 1 < clean.size(); ++i) {
    if (clean[i] == '\xC2' && static_cast<unsigned char>(clean[i + 1]) < 0xA0) {
      clean[i] = clean[i + 1] = '?';
    }
  }
  return clean;
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status, std::string_view request_id) {
  if (status.ok()) return grpc::Status::OK;
  ErrorInfo info = GetErrorInfo(status).value_or(ErrorInfo{.reason = ErrorReason::kInternal});
  const std::string message =
      Cut(IsAboutRequest(info.reason) ? ToStd(status.message()) : MessageFrom(info, status.code()),
          kMaxMessageBytes);

  v1::ErrorDetail detail;
  detail.set_reason(static_cast<v1::ErrorDetail::Reason>(info.reason));
  detail.set_model(Cut(info.model, kMaxFieldBytes));
  detail.set_unit(Cut(info.unit, kMaxFieldBytes));
  detail.set_tensor(Cut(info.tensor, kMaxFieldBytes));
  detail.set_shard(Cut(info.shard, kMaxFieldBytes));
  detail.set_offset_bytes(info.offset_bytes);
  detail.set_shortfall_bytes(info.shortfall_bytes);
  detail.set_holder(Cut(info.holder, kMaxFieldBytes));
  detail.set_request_id(Cut(request_id, kMaxFieldBytes));

  const grpc::StatusCode code = GrpcCodeFor(status.code());
  v1::RpcStatus envelope;
  envelope.set_code(code);
  envelope.set_message(message);
  envelope.add_details()->PackFrom(detail);
  return grpc::Status(code, message, envelope.SerializeAsString());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(AbslCodeFor(status.error_code()), WithoutControls(status.error_message()));
  v1::RpcStatus envelope;
  v1::ErrorDetail detail;
  const bool has_detail = envelope.ParseFromString(status.error_details()) &&
                          envelope.details_size() > 0 && envelope.details(0).UnpackTo(&detail);
  if (!has_detail || !v1::ErrorDetail::Reason_IsValid(detail.reason())) return result;
  return WithErrorInfo(std::move(result), {.reason = static_cast<ErrorReason>(detail.reason()),
                                           .model = detail.model(),
                                           .unit = detail.unit(),
                                           .tensor = detail.tensor(),
                                           .shard = detail.shard(),
                                           .offset_bytes = detail.offset_bytes(),
                                           .shortfall_bytes = detail.shortfall_bytes(),
                                           .holder = detail.holder()});
}

}  // namespace ecf8
