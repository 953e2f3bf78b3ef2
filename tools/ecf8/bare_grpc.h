// gRPC that does nothing else: what `ecf8 bench rpc` compares the service with. Of ecf8's own
// messages, by the generated code, as anybody would write it.
#ifndef ECF8_TOOLS_ECF8_BARE_GRPC_H_
#define ECF8_TOOLS_ECF8_BARE_GRPC_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ecf8/v1/weights.grpc.pb.h"
#include "grpcpp/client_context.h"
#include "grpcpp/server.h"

namespace ecf8 {

// A server in this process, at a Unix socket, and one connection to it.
class BareGrpc {
 public:
  // `stream_bytes`: what a stream brings, in messages of 1 MiB from one buffer.
  static absl::StatusOr<std::unique_ptr<BareGrpc>> Start(const std::string& socket_path,
                                                         uint64_t stream_bytes);
  ~BareGrpc();

  // Reads a whole stream.
  absl::Status Read();

  // Sends an empty message over a stream that stays open, and waits for one that comes back.
  absl::Status Ping();

 private:
  BareGrpc() = default;

  std::unique_ptr<v1::WeightService::CallbackService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::WeightService::Stub> stub_;
  grpc::ClientContext ping_context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SessionRequest, v1::SessionResponse>> pings_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_BARE_GRPC_H_
