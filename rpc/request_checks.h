// What handlers check of any request.
#ifndef ECF8_RPC_REQUEST_CHECKS_H_
#define ECF8_RPC_REQUEST_CHECKS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace ecf8 {

// INVALID_ARGUMENT. The client is told the message.
absl::Status BadRequest(const std::string& message);

// INVALID_ARGUMENT for one that is too long.
absl::Status CheckRequestId(std::string_view request_id);

// `status` for a caller who may not see every model: it does not say who has what is missing.
absl::Status HideHolder(const absl::Status& status);

}  // namespace ecf8

#endif  // ECF8_RPC_REQUEST_CHECKS_H_
