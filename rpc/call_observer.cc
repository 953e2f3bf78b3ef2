#include "rpc/call_observer.h"

namespace ecf8 {
namespace {

using grpc::experimental::InterceptionHookPoints;

// Lives as long as its call.
class CallInterceptor final : public grpc::experimental::Interceptor {
 public:
  CallInterceptor(CallObserver& observer, const char* method)
      : observer_(observer), method_(method) {}
  ~CallInterceptor() override {
    observer_.OnCallEnd(method_, code_, std::chrono::steady_clock::now() - began_);
  }

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      code_ = static_cast<absl::StatusCode>(methods->GetSendStatus().error_code());
    }
    methods->Proceed();
  }

 private:
  CallObserver& observer_;
  const char* const method_;  // gRPC's, as long as the server lives
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  absl::StatusCode code_ = absl::StatusCode::kCancelled;
};

class Factory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Factory(CallObserver& observer) : observer_(observer) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override {
    return new CallInterceptor(observer_, info->method());
  }

 private:
  CallObserver& observer_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
CallInterceptors(CallObserver& observer) {
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> factories;
  factories.push_back(std::make_unique<Factory>(observer));
  return factories;
}

}  // namespace ecf8
