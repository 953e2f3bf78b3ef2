// A server's stream that has failed before it began.
#ifndef ECF8_RPC_FAILED_STREAM_H_
#define ECF8_RPC_FAILED_STREAM_H_

#include <string_view>

#include "absl/status/status.h"
#include "grpcpp/support/server_callback.h"
#include "rpc/error_status.h"
#include "rpc/request_id.h"
#include "spdlog/spdlog.h"

namespace ecf8 {

template <typename Response>
class FailedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit FailedStream(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

template <typename Response>
grpc::ServerWriteReactor<Response>* FailStream(const absl::Status& status,
                                               std::string_view request_id) {
  const LoggedRequest logged(request_id);
  spdlog::debug("refused a request: {}",
                status.ToString(absl::StatusToStringMode::kWithNoExtraData));
  return new FailedStream<Response>(ToGrpcStatus(status, request_id));
}

}  // namespace ecf8

#endif  // ECF8_RPC_FAILED_STREAM_H_
