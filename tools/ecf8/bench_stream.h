// `ecf8 bench stream`: how fast decoded weights come out of the whole pipeline, cold.
#ifndef ECF8_TOOLS_ECF8_BENCH_STREAM_H_
#define ECF8_TOOLS_ECF8_BENCH_STREAM_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "loader/engine/engine.h"
#include "tools/ecf8/command.h"

namespace ecf8 {

struct BenchStreamOptions {
  std::string directory;  // a compressed model
  EngineOptions engine{};
  int runs = 9;
  uint64_t ahead_bytes = uint64_t{256} << 20;  // decoded, asked for beyond the unit at hand
  int warm_walks = 0;                          // of the same engine, after each cold one
  bool with_fio = true;
  bool with_tmpfs = true;
  bool with_kept = false;  // the same with memory as outlives a daemon, beside it
  std::string trace;       // a new file for the time line of all runs; empty: none
  uint64_t trace_limit_bytes = uint64_t{256} << 20;
};

// In every run, a new engine walks the model once, every unit decoded in order, and fio reads the
// same shards raw: decoded GB/s beside raw ones (`stream_vs_fio`). Warm walks find in the engine's
// tiers what these have room for. Then the same on a copy of the
// files in tmpfs, where there is room for one: no disk can be waited for, and the yardstick is what
// so many cores would reach if they read, hashed and decoded and did nothing else, each rate
// measured in the same run on one core (`stream_vs_model_tmpfs`):
//
//   cores / (1 / decode + stored / decoded * (1 / read + 1 / checksum))
// Where memory as outlives a daemon (kept_memory.h) is asked for, too, each run also has an engine
// on such, before or after the other in turn (`kept_vs_private`, `kept_warm_vs_private`).
absl::Status RunBenchStream(const BenchStreamOptions& options, const CommandContext& context);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_BENCH_STREAM_H_
