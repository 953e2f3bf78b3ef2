#include "rpc/request_checks.h"

#include "loader/model/error_info.h"

namespace ecf8 {
namespace {

constexpr size_t kMaxRequestIdBytes = 64;

}  // namespace

absl::Status BadRequest(const std::string& message) {
  return WithErrorInfo(absl::InvalidArgumentError(message), {.reason = ErrorReason::kBadRequest});
}

absl::Status CheckRequestId(std::string_view request_id) {
  if (request_id.size() <= kMaxRequestIdBytes) return absl::OkStatus();
  return BadRequest("a request_id has at most " + std::to_string(kMaxRequestIdBytes) + " bytes");
}

}  // namespace ecf8
