// `ecf8 bench scale`: the daemon with a model of 671 billion weights, on a machine that has neither
// its bytes nor the memory for them.
#ifndef ECF8_TOOLS_ECF8_BENCH_SCALE_H_
#define ECF8_TOOLS_ECF8_BENCH_SCALE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "tools/ecf8/command.h"
#include "tools/ecf8/scale_daemon.h"
#include "tools/workloads/moe_shape.h"

namespace ecf8 {

struct BenchScaleOptions {
  std::string directory;  // of a repeated model; made where it is not there
  MoeShape shape = DeepSeekV3Shape();
  uint32_t experts_per_token = 8;
  std::string hardware = "h100";  // as `ecf8 plan` knows it
  // Of the modelled machine: so many times as fast as it is; 0: nothing takes any time, so that
  // what is left is ours.
  double speed = 1;
  uint32_t warm_tokens = 200;
  uint32_t tokens = 1000;
  uint32_t checked_tokens = 1;  // with real bytes, each compared with its checksum; 0: none
  uint64_t checked_budget_bytes = uint64_t{2} << 30;  // of host memory, and of slots, for these
  double skew = 0.8;
  uint64_t seed = 1;
  // The socket of a daemon: be no bench but its daemon, until stdin ends; else empty.
  std::string serve{};
  bool with_bytes = false;  // of that daemon, as all below
  uint64_t host_bytes = 0;
  uint64_t frame_bytes = 0;
  uint64_t slot_bytes = 0;
};

// Starts a daemon of its own twice (scale_daemon.h), and walks over the model by a session as an
// engine does: with modelled time, measured; then with real bytes, checked. Prints how long the
// daemon takes to answer, the memory that it has besides its budgets, the size of what it reads at
// the start, how long sets of a layer's experts take, and the processors' time that a token takes.
absl::Status RunBenchScale(const BenchScaleOptions& options, const CommandContext& context);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_BENCH_SCALE_H_
