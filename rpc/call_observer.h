// Every call that the daemon has served, told to whoever counts them.
#ifndef ECF8_RPC_CALL_OBSERVER_H_
#define ECF8_RPC_CALL_OBSERVER_H_

#include <chrono>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "grpcpp/support/server_interceptor.h"

namespace ecf8 {

class CallObserver {
 public:
  virtual ~CallObserver() = default;

  // The call `method` ("/ecf8.v1.WeightService/Fetch") has ended. CANCELLED where the client left
  // before it was told. Thread-safe, short.
  virtual void OnCallEnd(std::string_view method, absl::StatusCode code,
                         std::chrono::steady_clock::duration took) = 0;
};

// For grpc::ServerBuilder: tells the observer, which outlives the server, of every call.
std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
CallInterceptors(CallObserver& observer);

}  // namespace ecf8

#endif  // ECF8_RPC_CALL_OBSERVER_H_
