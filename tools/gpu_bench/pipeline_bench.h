// The whole path: units of a compressed model from the disk to decoded on a device.
#ifndef ECF8_TOOLS_GPU_BENCH_PIPELINE_BENCH_H_
#define ECF8_TOOLS_GPU_BENCH_PIPELINE_BENCH_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "loader/engine/engine.h"
#include "nlohmann/json.hpp"
#include "tools/workloads/moe_shape.h"

namespace ecf8 {

struct PipelineBenchOptions {
  std::string directory;                       // exists; a made-up model is written into it
  MoeShape shape{};                            // of the model
  EngineOptions engine{};                      // with the device
  uint64_t ahead_bytes = uint64_t{128} << 20;  // of units that are asked for ahead
  int runs = 5;
};

// Compresses a made-up model (made_up_source.h) and walks it `runs` times, each time with a new
// engine, which finds nothing in memory; files are read past the page cache where their system lets
// them. In GB/s of stored and of decoded bytes. The errors of compressing, and the engine's.
absl::StatusOr<nlohmann::ordered_json> RunPipelineBench(const PipelineBenchOptions& options);

}  // namespace ecf8

#endif  // ECF8_TOOLS_GPU_BENCH_PIPELINE_BENCH_H_
