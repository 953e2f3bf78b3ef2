// What a Client and its sessions share.
#ifndef ECF8_RPC_PUBLIC_CLIENT_STATE_H_
#define ECF8_RPC_PUBLIC_CLIENT_STATE_H_

#include <chrono>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "ecf8/client.h"
#include "rpc/address.h"
#include "rpc/call_limits.h"
#include "rpc/client.h"
#include "rpc/public/fetch_sinks.h"

namespace ecf8 {

struct ECF8_HIDDEN Client::State {
  Address address;
  std::unique_ptr<WeightClient> client;
  std::chrono::milliseconds retry_for;

  // Retries `call` where the daemon was restarted.
  absl::Status Call(const CallLimits& limits, absl::FunctionRef<absl::Status()> call) const;

  // Fetches to what `find_target` finds. *last_unit, if not null, becomes the last unit that came.
  absl::Status Place(const FetchRequest& request, const FindTarget& find_target,
                     const CallOptions& options, UnitInfo* last_unit) const;
};

}  // namespace ecf8

#endif  // ECF8_RPC_PUBLIC_CLIENT_STATE_H_
