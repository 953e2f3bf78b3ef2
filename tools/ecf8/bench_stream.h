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
  int units_ahead = 8;  // asked for beyond the one whose turn it is
  bool with_fio = true;
};

// In every run, a new engine walks the model once, every unit decoded in order; fio reads the same
// shards raw; and one core does what the engine's cores did, stage by stage: read, checksum,
// decode. Prints decoded GB/s beside fio's raw GB/s (`stream_vs_fio`), and beside what so many
// cores would reach if they did those three things and nothing else (`stream_vs_model`):
//
//   cores / (1 / decode + stored / decoded * (1 / read + 1 / checksum))
//
// which is the yardstick where the file is in memory (tmpfs) and no disk can be waited for.
absl::Status RunBenchStream(const BenchStreamOptions& options, const CommandContext& context);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_BENCH_STREAM_H_
