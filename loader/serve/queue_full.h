// What callers are told whose work finds no place in the daemon's queue.
#ifndef ECF8_LOADER_SERVE_QUEUE_FULL_H_
#define ECF8_LOADER_SERVE_QUEUE_FULL_H_

#include "absl/status/status.h"
#include "loader/model/error_info.h"

namespace ecf8 {

inline absl::Status QueueIsFull() {
  return WithErrorInfo(absl::ResourceExhaustedError("the daemon's queue is full: try again later"),
                       {.reason = ErrorReason::kOverloaded});
}

}  // namespace ecf8

#endif  // ECF8_LOADER_SERVE_QUEUE_FULL_H_
