// `ecf8 bench codec`: what the codec saves and costs on real weights, beside its peers.
#ifndef ECF8_TOOLS_ECF8_BENCH_CODEC_H_
#define ECF8_TOOLS_ECF8_BENCH_CODEC_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "tools/ecf8/command.h"

namespace ecf8 {

struct BenchCodecOptions {
  std::string model;             // a plain model, or else
  uint64_t synthetic_bytes = 0;  // so many weights made up
  int threads = 0;               // for the figures "_all_cores"; 0: one a core
  int runs = 5;
  uint64_t max_bytes = 256'000'000;  // of the model's FP8 weights
};

// Loads FP8 tensors into memory, then times encoding and decoding of all of them, zstd -1 and -3
// (tensor by tensor) and memcpy, in turn, `runs` times. Prints medians with their spread, and the
// bits a weight with all that `compress` counts.
absl::Status RunBenchCodec(const BenchCodecOptions& options, const CommandContext& context);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_BENCH_CODEC_H_
