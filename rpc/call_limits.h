// How long a call of a client may take, and who may end it.
#ifndef ECF8_RPC_CALL_LIMITS_H_
#define ECF8_RPC_CALL_LIMITS_H_

#include <chrono>
#include <stop_token>

#include "absl/status/status.h"
#include "grpcpp/client_context.h"

namespace ecf8 {

struct CallLimits {
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  std::stop_token stop{};
};

// What a call is told that its limits have ended: CANCELLED or DEADLINE_EXCEEDED.
absl::Status LimitReached(const CallLimits& limits);

// That, where a call within `limits` has to end now.
absl::Status CheckLimits(const CallLimits& limits);

// What gRPC takes for a deadline; on its monotonic clock, so that nobody's setting of the time
// moves it.
gpr_timespec ToGrpcDeadline(std::chrono::steady_clock::time_point deadline);

// The context of one call of gRPC's, which `limits`, or `stop`, end.
class LimitedContext {
 public:
  explicit LimitedContext(const CallLimits& limits, const std::stop_token& stop = {});

  grpc::ClientContext* get() { return &context_; }

  // Of a call that ended with `status`: that, or CANCELLED where somebody has stopped it.
  absl::Status Explain(const absl::Status& status) const;

 private:
  struct Canceller {
    grpc::ClientContext* context;
    void operator()() const { context->TryCancel(); }
  };

  const std::stop_token call_stop_;
  const std::stop_token client_stop_;
  grpc::ClientContext context_;
  const std::stop_callback<Canceller> on_call_stop_;
  const std::stop_callback<Canceller> on_client_stop_;
};

}  // namespace ecf8

#endif  // ECF8_RPC_CALL_LIMITS_H_
