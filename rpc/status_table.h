// What each absl status code is on the wire and as an exit status: the one table of it.
#ifndef ECF8_RPC_STATUS_TABLE_H_
#define ECF8_RPC_STATUS_TABLE_H_

#include "absl/status/status.h"
#include "grpcpp/support/status_code_enum.h"

namespace ecf8 {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitWrongUsage = 2;  // bad flags; never the result of an operation

grpc::StatusCode GrpcCodeFor(absl::StatusCode code);

// kUnknown for a number that gRPC does not define.
absl::StatusCode AbslCodeFor(grpc::StatusCode code);

int ExitStatusFor(absl::StatusCode code);

}  // namespace ecf8

#endif  // ECF8_RPC_STATUS_TABLE_H_
