// What an error is about, for programs: the message is for people.
#ifndef ECF8_ERROR_DETAIL_H_
#define ECF8_ERROR_DETAIL_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "ecf8/export.h"

namespace ecf8 {

struct ErrorDetail {
  enum class Reason : uint8_t {
    kUnspecified = 0,
    kModelNotFound = 1,
    kUnitNotFound = 2,
    kTensorNotFound = 3,
    kBadRequest = 4,
    kCorruptData = 5,     // a checksum or a structure of the stored data that does not hold
    kReadFailed = 6,      // the daemon's disk refused
    kOverloaded = 7,      // a limit is reached: try again
    kShuttingDown = 8,    // the daemon is being stopped
    kInternal = 9,        // its log says more
    kBudgetTooSmall = 10  // it can never fit: `shortfall_bytes` more are needed
  };

  Reason reason = Reason::kUnspecified;
  // As far as they are known.
  std::string model;
  std::string unit;
  std::string tensor;
  std::string shard;          // a file name, never a path
  uint64_t offset_bytes = 0;  // in the shard
  uint64_t shortfall_bytes = 0;
};

// What the daemon, or this library, has attached to `status`; nullopt where there is nothing.
ECF8_EXPORT std::optional<ErrorDetail> GetErrorDetail(const absl::Status& status);

}  // namespace ecf8

#endif  // ECF8_ERROR_DETAIL_H_
