// How fast pinned host memory is copied to a GPU and back.
#ifndef ECF8_TOOLS_GPU_BENCH_HOST_COPY_BENCH_H_
#define ECF8_TOOLS_GPU_BENCH_HOST_COPY_BENCH_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "tools/gpu_bench/bench_gpu.h"

namespace ecf8 {

struct HostCopyBenchOptions {
  uint64_t max_bytes = uint64_t{256} << 20;  // of a copy: 1 MiB, 4 MiB, and so on up to this
  int runs = 9;
};

// A row a size, in GB/s. CUDA's errors.
absl::StatusOr<nlohmann::ordered_json> RunHostCopyBench(BenchGpu& gpu,
                                                        const HostCopyBenchOptions& options);

}  // namespace ecf8

#endif  // ECF8_TOOLS_GPU_BENCH_HOST_COPY_BENCH_H_
