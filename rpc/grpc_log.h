// Where gRPC's own log lines go.
#ifndef ECF8_RPC_GRPC_LOG_H_
#define ECF8_RPC_GRPC_LOG_H_

namespace ecf8 {

// To spdlog. To be called before anything else of gRPC.
void RouteGrpcLogToSpdlog();

// Nowhere: a client reports the Status of its call instead.
void SilenceGrpcLog();

}  // namespace ecf8

#endif  // ECF8_RPC_GRPC_LOG_H_
