// How long gRPC lives in this process.
#ifndef ECF8_RPC_GRPC_LIFETIME_H_
#define ECF8_RPC_GRPC_LIFETIME_H_

#include "absl/status/status.h"

namespace ecf8 {

// From the first call to the end of the process. Left to itself, gRPC 1.51 ends with the last of
// its objects, and its end waits for a thread of its own that may sit in a poll of ten seconds: so
// long a daemon would take to stop, and `ecf8 fetch` after its last byte. Thread-safe.
void KeepGrpc();

// Whether a server can begin: RESOURCE_EXHAUSTED where too few descriptors are left, with which
// gRPC 1.51 ends the process.
absl::Status CheckDescriptorsForGrpc();

}  // namespace ecf8

#endif  // ECF8_RPC_GRPC_LIFETIME_H_
