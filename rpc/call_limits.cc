#include "rpc/call_limits.h"

#include <grpc/support/time.h>

namespace ecf8 {
namespace {

using Clock = std::chrono::steady_clock;

absl::Status Interrupted() { return absl::CancelledError("interrupted"); }

}  // namespace

absl::Status LimitReached(const CallLimits& limits) {
  if (limits.stop.stop_requested()) return Interrupted();
  return absl::DeadlineExceededError("the call took longer than it may");
}

absl::Status CheckLimits(const CallLimits& limits) {
  if (limits.stop.stop_requested() || Clock::now() >= limits.deadline) return LimitReached(limits);
  return absl::OkStatus();
}

gpr_timespec ToGrpcDeadline(Clock::time_point deadline) {
  if (deadline == Clock::time_point::max()) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - Clock::now());
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(left.count(), GPR_TIMESPAN));
}

LimitedContext::LimitedContext(const CallLimits& limits, const std::stop_token& stop)
    : call_stop_(limits.stop),
      client_stop_(stop),
      on_call_stop_(call_stop_, Canceller{&context_}),
      on_client_stop_(client_stop_, Canceller{&context_}) {
  if (limits.deadline != Clock::time_point::max()) {
    context_.set_deadline(ToGrpcDeadline(limits.deadline));
  }
}

absl::Status LimitedContext::Explain(const absl::Status& status) const {
  const bool stopped = call_stop_.stop_requested() || client_stop_.stop_requested();
  return stopped && !status.ok() ? Interrupted() : status;
}

}  // namespace ecf8
