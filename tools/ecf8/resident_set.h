// How much memory this process has, for benchmarks that keep a limit.
#ifndef ECF8_TOOLS_ECF8_RESIDENT_SET_H_
#define ECF8_TOOLS_ECF8_RESIDENT_SET_H_

#include <cstdint>

#include "absl/status/statusor.h"

namespace ecf8 {

// Private and shared pages alike (VmRSS and VmHWM of proc(5)).
struct ResidentSet {
  uint64_t now_bytes = 0;
  uint64_t peak_bytes = 0;  // since the process began
};

absl::StatusOr<ResidentSet> ReadResidentSet();

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_RESIDENT_SET_H_
