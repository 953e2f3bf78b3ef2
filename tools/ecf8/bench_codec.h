// `ecf8 bench codec`: what the codec saves and costs on real weights, beside its peers.
#ifndef ECF8_TOOLS_ECF8_BENCH_CODEC_H_
#define ECF8_TOOLS_ECF8_BENCH_CODEC_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "tools/ecf8/command.h"

namespace ecf8 {

struct BenchCodecOptions {
  std::string model;
  int threads = 0;
  int runs = 5;
  uint64_t max_bytes = 256'000'000;
};

// Loads the FP8 tensors of a plain model into memory, then times encoding and decoding of all of
// them, zstd -1 and -3 (tensor by tensor) and memcpy, in turn, `runs` times. Prints medians.
absl::Status RunBenchCodec(const BenchCodecOptions& options, const CommandContext& context);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_BENCH_CODEC_H_
