// `ecf8 bench resident`: how long an engine that restarts takes until it has its weights again.
#ifndef ECF8_TOOLS_ECF8_BENCH_RESIDENT_H_
#define ECF8_TOOLS_ECF8_BENCH_RESIDENT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "tools/ecf8/command.h"

namespace ecf8 {

struct BenchResidentOptions {
  std::string model;  // a directory
  uint64_t host_budget_bytes = uint64_t{256} << 20;
  int attaches = 20;
  std::string against;  // empty: nothing is compared
};

// A daemon in this process whose slots hold the model, cold. A client opens a resident session and
// acquires every unit: that is the first attach. It leaves; then others do the same, one after the
// other, each with a connection and a mapping of its own. What the daemon has read and decoded
// meanwhile is told, too, and what reading all bytes through a fresh mapping takes, which is not
// part of an attach.
absl::Status RunBenchResident(const BenchResidentOptions& options, const CommandContext& context);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_BENCH_RESIDENT_H_
