#include "rpc/self_check.h"

#include "grpcpp/client_context.h"
#include "grpcpp/impl/client_unary_call.h"
#include "grpcpp/impl/rpc_method.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/channel_arguments.h"

namespace ecf8 {

SelfCheck::SelfCheck(grpc::Server& server) : channel_(server.InProcessChannel({})) {}

void SelfCheck::WaitForAnswer() {
  MutexLock lock(mutex_);
  if (channel_ == nullptr) return;
  const grpc::internal::RpcMethod method("/grpc.health.v1.Health/Check",
                                         grpc::internal::RpcMethod::NORMAL_RPC, channel_);
  grpc::ClientContext context;
  const grpc::Slice no_bytes;  // HealthCheckRequest, of no service in particular
  const grpc::ByteBuffer request(&no_bytes, 1);
  grpc::ByteBuffer response;
  grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, grpc::ByteBuffer>(
      channel_.get(), method, &context, request, &response);
}

void SelfCheck::End() {
  MutexLock lock(mutex_);
  channel_.reset();
}

}  // namespace ecf8
