#include "rpc/grpc_lifetime.h"

#include "grpc/grpc.h"

namespace ecf8 {

void KeepGrpc() {
  static const bool kept = [] {
    grpc_init();  // and never grpc_shutdown
    return true;
  }();
  static_cast<void>(kept);
}

}  // namespace ecf8
