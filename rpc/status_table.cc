#include "rpc/status_table.h"

namespace ecf8 {
namespace {

struct Row {
  absl::StatusCode code;
  grpc::StatusCode grpc_code;
  int exit_status;
};

constexpr Row kTable[] = {
    {absl::StatusCode::kOk, grpc::StatusCode::OK, kExitDone},
    {absl::StatusCode::kCancelled, grpc::StatusCode::CANCELLED, kExitFailed},
    {absl::StatusCode::kUnknown, grpc::StatusCode::UNKNOWN, kExitFailed},
    {absl::StatusCode::kInvalidArgument, grpc::StatusCode::INVALID_ARGUMENT, kExitFailed},
    {absl::StatusCode::kDeadlineExceeded, grpc::StatusCode::DEADLINE_EXCEEDED, kExitFailed},
    {absl::StatusCode::kNotFound, grpc::StatusCode::NOT_FOUND, kExitFailed},
    {absl::StatusCode::kAlreadyExists, grpc::StatusCode::ALREADY_EXISTS, kExitFailed},
    {absl::StatusCode::kPermissionDenied, grpc::StatusCode::PERMISSION_DENIED, kExitFailed},
    {absl::StatusCode::kResourceExhausted, grpc::StatusCode::RESOURCE_EXHAUSTED, kExitFailed},
    {absl::StatusCode::kFailedPrecondition, grpc::StatusCode::FAILED_PRECONDITION, kExitFailed},
    {absl::StatusCode::kAborted, grpc::StatusCode::ABORTED, kExitFailed},
    {absl::StatusCode::kOutOfRange, grpc::StatusCode::OUT_OF_RANGE, kExitFailed},
    {absl::StatusCode::kUnimplemented, grpc::StatusCode::UNIMPLEMENTED, kExitFailed},
    {absl::StatusCode::kInternal, grpc::StatusCode::INTERNAL, kExitFailed},
    {absl::StatusCode::kUnavailable, grpc::StatusCode::UNAVAILABLE, kExitFailed},
    {absl::StatusCode::kDataLoss, grpc::StatusCode::DATA_LOSS, kExitFailed},
    {absl::StatusCode::kUnauthenticated, grpc::StatusCode::UNAUTHENTICATED, kExitFailed},
};

}  // namespace

grpc::StatusCode GrpcCodeFor(absl::StatusCode code) {
  for (const Row& row : kTable) {
    if (row.code == code) return row.grpc_code;
  }
  return grpc::StatusCode::UNKNOWN;
}

absl::StatusCode AbslCodeFor(grpc::StatusCode code) {
  for (const Row& row : kTable) {
    if (row.grpc_code == code) return row.code;
  }
  return absl::StatusCode::kUnknown;
}

int ExitStatusFor(absl::StatusCode code) {
  for (const Row& row : kTable) {
    if (row.code == code) return row.exit_status;
  }
  return kExitFailed;
}

}  // namespace ecf8
