// absl::Status <-> grpc::Status with an ecf8.v1.ErrorDetail in its details.
#ifndef ECF8_RPC_ERROR_STATUS_H_
#define ECF8_RPC_ERROR_STATUS_H_

#include <string_view>

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace ecf8 {

// What a client is told of `status`. Paths stay here: where the ErrorInfo says that the fault is
// the daemon's (data, disk, internal), or where there is none, the message is made anew from the
// ErrorInfo alone; of the client's own faults (unknown names, bad requests, limits) it is kept.
// Everything is cut to fit into gRPC's 8 KiB of metadata.
grpc::Status ToGrpcStatus(const absl::Status& status, std::string_view request_id);

// The status that a client sees, with the ErrorInfo of its details where there are any. What came
// from the daemon is not trusted: control characters of the message are replaced.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace ecf8

#endif  // ECF8_RPC_ERROR_STATUS_H_
