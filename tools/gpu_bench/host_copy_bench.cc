#include "tools/gpu_bench/host_copy_bench.h"

#include "decoder/status_macros.h"

namespace ecf8 {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kGiga = 1e9;

}  // namespace

absl::StatusOr<Json> RunHostCopyBench(BenchGpu& gpu, const HostCopyBenchOptions& options) {
  ECF8_ASSIGN_OR_RETURN(const PinnedBuffer host, gpu.AllocatePinned(options.max_bytes));
  ECF8_ASSIGN_OR_RETURN(const DeviceBuffer memory_dev, gpu.Allocate(options.max_bytes));
  Json rows = Json::array();
  for (uint64_t bytes = uint64_t{1} << 20; bytes <= options.max_bytes; bytes *= 4) {
    const auto time = [&](CudaCopy direction) {
      const bool to_device = direction == CudaCopy::kHostToDevice;
      uint8_t* const to = to_device ? memory_dev.get() : host.get();
      const uint8_t* const from = to_device ? host.get() : memory_dev.get();
      return gpu.Time(options.runs, "cudaMemcpyAsync", [=, &gpu](int /*run*/) {
        return gpu.cuda().MemcpyAsync(to, from, bytes, direction, gpu.stream());
      });
    };
    ECF8_ASSIGN_OR_RETURN(const Samples to_device, time(CudaCopy::kHostToDevice));
    ECF8_ASSIGN_OR_RETURN(const Samples to_host, time(CudaCopy::kDeviceToHost));
    rows.push_back({{"bytes", bytes},
                    {"to_device_gbps", RatesOf(to_device, static_cast<double>(bytes), kGiga)},
                    {"to_host_gbps", RatesOf(to_host, static_cast<double>(bytes), kGiga)}});
  }
  return Json{{"runs", options.runs}, {"sizes", std::move(rows)}};
}

}  // namespace ecf8
