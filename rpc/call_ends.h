// How a client's stream ends.
#ifndef ECF8_RPC_CALL_ENDS_H_
#define ECF8_RPC_CALL_ENDS_H_

#include "absl/status/status.h"
#include "grpcpp/client_context.h"
#include "rpc/error_status.h"

namespace ecf8 {

// Ends a stream: `error` is why the client stopped reading, if it did.
template <typename Reader>
absl::Status EndStream(Reader& reader, grpc::ClientContext& context, const absl::Status& error) {
  if (!error.ok()) context.TryCancel();
  const grpc::Status end = reader.Finish();
  return error.ok() ? FromGrpcStatus(end) : error;
}

}  // namespace ecf8

#endif  // ECF8_RPC_CALL_ENDS_H_
