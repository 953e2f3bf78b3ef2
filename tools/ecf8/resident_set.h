// How much memory a process has, for benchmarks that keep a limit.
#ifndef ECF8_TOOLS_ECF8_RESIDENT_SET_H_
#define ECF8_TOOLS_ECF8_RESIDENT_SET_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace ecf8 {

// Private and shared pages alike (VmRSS and VmHWM of proc(5)).
struct ResidentSet {
  uint64_t now_bytes = 0;
  uint64_t peak_bytes = 0;  // since the process began
};

// Of this process, or the one of that number.
absl::StatusOr<ResidentSet> ReadResidentSet(const std::string& process = "self");

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_RESIDENT_SET_H_
