#include "ecf8/error_detail.h"

#include <utility>

#include "loader/model/error_info.h"

namespace ecf8 {
namespace {

using Reason = ErrorDetail::Reason;

constexpr bool Same(Reason reason, ErrorReason ours) {
  return static_cast<uint8_t>(reason) == static_cast<uint8_t>(ours);
}
static_assert(Same(Reason::kUnspecified, ErrorReason::kUnspecified));
static_assert(Same(Reason::kModelNotFound, ErrorReason::kModelNotFound));
static_assert(Same(Reason::kUnitNotFound, ErrorReason::kUnitNotFound));
static_assert(Same(Reason::kTensorNotFound, ErrorReason::kTensorNotFound));
static_assert(Same(Reason::kBadRequest, ErrorReason::kBadRequest));
static_assert(Same(Reason::kCorruptData, ErrorReason::kCorruptData));
static_assert(Same(Reason::kReadFailed, ErrorReason::kReadFailed));
static_assert(Same(Reason::kOverloaded, ErrorReason::kOverloaded));
static_assert(Same(Reason::kShuttingDown, ErrorReason::kShuttingDown));
static_assert(Same(Reason::kInternal, ErrorReason::kInternal));
static_assert(Same(Reason::kBudgetTooSmall, ErrorReason::kBudgetTooSmall));

}  // namespace

std::optional<ErrorDetail> GetErrorDetail(const absl::Status& status) {
  std::optional<ErrorInfo> info = GetErrorInfo(status);
  if (!info) return std::nullopt;
  ErrorDetail detail;
  detail.reason = static_cast<Reason>(info->reason);
  detail.model = std::move(info->model);
  detail.unit = std::move(info->unit);
  detail.tensor = std::move(info->tensor);
  detail.shard = std::move(info->shard);
  detail.offset_bytes = info->offset_bytes;
  detail.shortfall_bytes = info->shortfall_bytes;
  return detail;
}

}  // namespace ecf8
