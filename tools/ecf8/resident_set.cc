#include "tools/ecf8/resident_set.h"

#include <fstream>
#include <string>

#include "absl/status/status.h"

namespace ecf8 {

absl::StatusOr<ResidentSet> ReadResidentSet(const std::string& process) {
  std::ifstream status("/proc/" + process + "/status");
  ResidentSet result;
  std::string key;
  while (status >> key) {
    uint64_t* const value = key == "VmRSS:"   ? &result.now_bytes
                            : key == "VmHWM:" ? &result.peak_bytes
                                              : nullptr;
    if (value != nullptr && status >> *value) *value *= 1024;  // "VmRSS:   123 kB"
  }
  if (result.now_bytes == 0 || result.peak_bytes == 0) {
    return absl::UnavailableError("/proc does not tell the resident set");
  }
  return result;
}

}  // namespace ecf8
