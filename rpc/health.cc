#include "rpc/health.h"

#include "grpcpp/ext/proto_server_reflection_plugin.h"

namespace ecf8 {

void EnableHealthAndReflection() {
  [[maybe_unused]] static const bool once = [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
}

}  // namespace ecf8
