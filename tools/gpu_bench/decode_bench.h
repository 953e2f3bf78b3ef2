// How fast a GPU decodes, by the size of what one launch decodes: beside a copy of as many bytes,
// and beside the reference's kind of kernel.
#ifndef ECF8_TOOLS_GPU_BENCH_DECODE_BENCH_H_
#define ECF8_TOOLS_GPU_BENCH_DECODE_BENCH_H_

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "tools/gpu_bench/bench_gpu.h"
#include "tools/gpu_bench/bench_weights.h"
#include "tools/gpu_bench/two_pass_cuda.h"

namespace ecf8 {

struct DecodeBenchOptions {
  // A launch decodes 1 Mi weights, 4 Mi, and so on: of these sizes, those from `min_weights` to
  // `max_weights`.
  uint64_t min_weights = uint64_t{1} << 20;
  uint64_t max_weights = uint64_t{4} << 30;
  int runs = 9;
  // The same work lies in memory so many times that a run finds none of it in a cache: bytes
  // decoded by all of them together, as far as that takes no more than 256 of them.
  uint64_t cold_bytes = uint64_t{512} << 20;
  // What launches the peer's kernel; empty: it is left out.
  std::function<int(const TwoPassWork& work, void* stream)> two_pass{};
};

// A row a size, until the GPU's memory is too small for the next: rates in 1e12 weights a second,
// and those of a copy on the device, by cudaMemcpyAsync, that reads and writes together as many
// bytes as decoding. One launch follows the other. What was decoded is compared: DATA_LOSS where it
// is not right. Else CUDA's errors.
absl::StatusOr<nlohmann::ordered_json> RunDecodeBench(BenchGpu& gpu, const BenchWeights& weights,
                                                      const DecodeBenchOptions& options);

}  // namespace ecf8

#endif  // ECF8_TOOLS_GPU_BENCH_DECODE_BENCH_H_
