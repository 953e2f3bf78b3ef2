#include "rpc/request_checks.h"

#include <optional>

#include "loader/model/error_info.h"
#include "rpc/request_id.h"

namespace ecf8 {
absl::Status BadRequest(const std::string& message) {
  return WithErrorInfo(absl::InvalidArgumentError(message), {.reason = ErrorReason::kBadRequest});
}

absl::Status HideHolder(const absl::Status& status) {
  std::optional<ErrorInfo> info = GetErrorInfo(status);
  if (!info || info->holder.empty()) return status;
  std::string message(status.message());
  const size_t at = message.find(info->holder);
  if (at != std::string::npos) message.replace(at, info->holder.size(), "what others have");
  info->holder = "others";
  return WithErrorInfo(absl::Status(status.code(), message), *info);
}

absl::Status CheckRequestId(std::string_view request_id) {
  if (request_id.size() <= kMaxRequestIdBytes) return absl::OkStatus();
  return BadRequest("a request_id has at most " + std::to_string(kMaxRequestIdBytes) + " bytes");
}

}  // namespace ecf8
