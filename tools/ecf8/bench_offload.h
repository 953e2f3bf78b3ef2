// `ecf8 bench offload`: engines that walk over a model that does not fit, through sessions.
#ifndef ECF8_TOOLS_ECF8_BENCH_OFFLOAD_H_
#define ECF8_TOOLS_ECF8_BENCH_OFFLOAD_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "tools/ecf8/command.h"

namespace ecf8 {

struct BenchOffloadOptions {
  std::string model;   // a directory; with `daemon`, a name
  std::string daemon;  // empty: a server in this process
  uint64_t host_budget_bytes = uint64_t{1} << 30;
  uint64_t slot_bytes = uint64_t{256} << 20;  // all clients'
  bool layers_only = false;
  double compute_ms = 0;
  int depth = 2;
  bool resident = false;
  std::string form = "decoded";  // or "compressed"
  int clients = 1;
  int passes = 3;
  std::string against;
};

// Every client walks once unmeasured (with `against`, `passes` times, compared), then `passes`
// times without computing, which is the supply as sessions have it, then `passes` times with. What
// could be had is max(compute, supply); the supply is what an engine with the same budgets gives
// one that walks over the same units, asks for the same slots ahead and does nothing with them, in
// the same run (with `daemon`: the sessions' own). Then what acquiring nine units that are ready
// takes, beside a ping on the same stream.
absl::Status RunBenchOffload(const BenchOffloadOptions& options, const CommandContext& context);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_BENCH_OFFLOAD_H_
