#include "rpc/public/retry.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "decoder/status_macros.h"
#include "loader/model/error_info.h"

namespace ecf8 {
namespace {

using Clock = std::chrono::steady_clock;

// Between tries, growing.
constexpr std::chrono::milliseconds kFirstPause(20);
constexpr std::chrono::milliseconds kLongestPause(500);

// Until `end`, or a stop.
void Sleep(Clock::time_point end, const std::stop_token& stop) {
  std::mutex mutex;  // Mutex knows no stops
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_until(lock, stop, end, [] { return false; });
}

}  // namespace

bool MayPass(const absl::Status& status) {
  if (!absl::IsUnavailable(status)) return false;
  const std::optional<ErrorInfo> info = GetErrorInfo(status);
  return !info || info->reason == ErrorReason::kShuttingDown;
}

absl::Status Retry(std::chrono::milliseconds retry_for, const CallLimits& limits,
                   absl::FunctionRef<absl::Status()> call,
                   absl::FunctionRef<absl::Status(const CallLimits&)> connect) {
  const Clock::time_point end = std::min(limits.deadline, Clock::now() + retry_for);
  for (std::chrono::milliseconds pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    const absl::Status status = call();
    if (!MayPass(status)) return status;
    const Clock::time_point now = Clock::now();
    if (now >= end) return status;
    Sleep(std::min(now + pause, end), limits.stop);
    if (limits.stop.stop_requested()) return LimitReached(limits);
    ECF8_RETURN_IF_ERROR(connect({.deadline = end, .stop = limits.stop}));
  }
}

}  // namespace ecf8
