// A GPU to measure on: memory, bytes to and fro, and the time that work in its one stream takes.
#ifndef ECF8_TOOLS_GPU_BENCH_BENCH_GPU_H_
#define ECF8_TOOLS_GPU_BENCH_BENCH_GPU_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "decoder/tile_decode_cuda.h"
#include "loader/cuda/cuda_calls.h"
#include "loader/cuda/cuda_objects.h"
#include "nlohmann/json.hpp"
#include "tools/workloads/samples.h"

namespace ecf8 {

// For one thread, whose current device it sets. Nothing is queued in the stream between the calls.
// Errors are CudaStatus's.
class BenchGpu {
 public:
  // `cuda` outlives the object.
  static absl::StatusOr<std::unique_ptr<BenchGpu>> Open(CudaCalls& cuda, int device);

  CudaCalls& cuda() { return cuda_; }
  CudaStream stream() const { return stream_.get(); }
  const std::string& name() const { return name_; }  // "NVIDIA H100 80GB HBM3"
  const TileDecodeShape& shape() const { return shape_; }

  // RESOURCE_EXHAUSTED where the memory does not suffice.
  absl::StatusOr<DeviceBuffer> Allocate(uint64_t size_bytes);
  absl::StatusOr<PinnedBuffer> AllocatePinned(uint64_t size_bytes);

  // Through pinned memory of its own; return when it is done.
  absl::Status Upload(absl::Span<const uint8_t> bytes, uint8_t* to_dev);
  absl::Status Download(const uint8_t* from_dev, absl::Span<uint8_t> bytes);
  absl::Status CopyOnDevice(const uint8_t* from_dev, uint8_t* to_dev, uint64_t size_bytes);

  // Calls `work` with 0 to `runs`, which queues something in the stream, and returns the seconds
  // that each took on the GPU; run 0 only warms up and does not count. `call` names it in errors.
  absl::StatusOr<Samples> Time(int runs, std::string_view call,
                               const std::function<CudaError(int run)>& work);

 private:
  BenchGpu(CudaCalls& cuda, int device) : cuda_(cuda), device_(device) {}
  absl::Status Check(CudaError error, std::string_view call) const;
  absl::Status Wait() const;
  absl::Status QueueRuns(const std::vector<OwnedEvent>& marks, std::string_view call,
                         const std::function<CudaError(int run)>& work);

  CudaCalls& cuda_;
  const int device_;
  std::string name_;
  TileDecodeShape shape_;
  OwnedStream stream_;
  PinnedBuffer staging_;
};

// `work` of each sample of seconds, in units of `unit`: {"median": .., "range": [least, largest]}.
nlohmann::ordered_json RatesOf(const Samples& seconds, double work, double unit);

}  // namespace ecf8

#endif  // ECF8_TOOLS_GPU_BENCH_BENCH_GPU_H_
