// A daemon that is restarted is not seen by its clients' calls.
#ifndef ECF8_RPC_PUBLIC_RETRY_H_
#define ECF8_RPC_PUBLIC_RETRY_H_

#include <chrono>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "rpc/call_limits.h"

namespace ecf8 {

// Whether the call that ended so has found no daemon, or one that was going: another try may find
// the next.
bool MayPass(const absl::Status& status);

// Calls `call` until it ends otherwise, with `connect` in between, which waits for a daemon and
// returns whether it has found one; for at most `retry_for`, and within `limits`. Returns the last
// call's end, or `connect`'s.
absl::Status Retry(std::chrono::milliseconds retry_for, const CallLimits& limits,
                   absl::FunctionRef<absl::Status()> call,
                   absl::FunctionRef<absl::Status(const CallLimits&)> connect);

}  // namespace ecf8

#endif  // ECF8_RPC_PUBLIC_RETRY_H_
