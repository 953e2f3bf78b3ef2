// The daemon of `ecf8 bench scale`: all of ecf8d's server, on a reader and a device of the bench's.
#ifndef ECF8_TOOLS_ECF8_SCALE_DAEMON_H_
#define ECF8_TOOLS_ECF8_SCALE_DAEMON_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "loader/planning/hardware.h"

namespace ecf8 {

struct ScaleDaemonOptions {
  std::string directory;  // of a repeated model
  std::string socket_path;
  uint64_t host_bytes = 0;
  uint64_t frame_bytes = 0;  // of a modelled device
  uint64_t slot_bytes = 0;
  // True: units have their bytes, which the host device decodes. False: nothing of a unit is read
  // or decoded, and the memory for it never touched; it is there when this machine would have it.
  bool with_bytes = false;
  Hardware hardware{};
  double speed = 1;  // see BenchScaleOptions
};

// Returns when stdin ends.
absl::Status RunScaleDaemon(const ScaleDaemonOptions& options);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_SCALE_DAEMON_H_
