// A session's stream that begins as a call and goes on over the slot socket, where the daemon says
// so: a step then takes one message of a Unix socket each way, and none of gRPC's threads.
#ifndef ECF8_RPC_SLOT_SESSION_LINK_H_
#define ECF8_RPC_SLOT_SESSION_LINK_H_

#include <memory>

#include "absl/status/statusor.h"
#include "rpc/session_link.h"
#include "rpc/slot_mapping.h"

namespace ecf8 {

// `call` has begun; `mapping` has the connection that gave the session's ticket. RESOURCE_EXHAUSTED
// where no descriptor is left.
absl::StatusOr<std::unique_ptr<SessionLink>> MakeSlotSessionLink(
    std::unique_ptr<SessionLink> call, std::shared_ptr<const SlotMapping> mapping);

}  // namespace ecf8

#endif  // ECF8_RPC_SLOT_SESSION_LINK_H_
