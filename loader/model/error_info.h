// What a Status is about, carried beside its message.
//
// The message is for the operator and may hold paths. Clients of the daemon are told only what
// stands here, so nothing here is ever a path.
#ifndef ECF8_LOADER_MODEL_ERROR_INFO_H_
#define ECF8_LOADER_MODEL_ERROR_INFO_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"

namespace ecf8 {

// The values are those of ecf8.v1.ErrorDetail.Reason.
enum class ErrorReason : uint8_t {
  kUnspecified = 0,
  kModelNotFound = 1,
  kUnitNotFound = 2,
  kTensorNotFound = 3,
  kBadRequest = 4,
  kCorruptData = 5,
  kReadFailed = 6,
  kOverloaded = 7,
  kShuttingDown = 8,
  kInternal = 9,
  kBudgetTooSmall = 10,
};

struct ErrorInfo {
  ErrorReason reason = ErrorReason::kUnspecified;
  // Initialised so that g++ lets a designated initialiser leave them out.
  std::string model{};
  std::string unit{};
  std::string tensor{};
  std::string shard{};           // a file name, never a path
  uint64_t offset_bytes = 0;     // in the shard
  uint64_t shortfall_bytes = 0;  // what is missing to a budget
  std::string holder{};          // who holds what is missing, in words

  bool operator==(const ErrorInfo&) const = default;
};

// `status` with `info` attached, in place of what was attached before. OK stays OK.
absl::Status WithErrorInfo(absl::Status status, const ErrorInfo& info);

// nullopt where nothing is attached.
std::optional<ErrorInfo> GetErrorInfo(const absl::Status& status);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_ERROR_INFO_H_
