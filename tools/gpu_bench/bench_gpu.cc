#include "tools/gpu_bench/bench_gpu.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/cuda/cuda_status.h"

namespace ecf8 {
namespace {

constexpr uint64_t kStagingBytes = uint64_t{16} << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<BenchGpu>> BenchGpu::Open(CudaCalls& cuda, int device) {
  std::unique_ptr<BenchGpu> gpu(new BenchGpu(cuda, device));
  CudaDeviceTraits traits;
  ECF8_RETURN_IF_ERROR(gpu->Check(cuda.SetDevice(device), "cudaSetDevice"));
  ECF8_RETURN_IF_ERROR(
      gpu->Check(cuda.GetDeviceTraits(device, &traits), "cudaGetDeviceProperties"));
  gpu->name_ = traits.name;
  ECF8_RETURN_IF_ERROR(
      gpu->Check(cuda.PrepareTileDecode(&gpu->shape_), "preparing the decoder's kernel"));
  ECF8_ASSIGN_OR_RETURN(gpu->stream_, MakeStream(cuda, device));
  ECF8_ASSIGN_OR_RETURN(gpu->staging_, MakePinnedBuffer(cuda, device, kStagingBytes));
  return gpu;
}

absl::Status BenchGpu::Check(CudaError error, std::string_view call) const {
  return CudaStatus(cuda_, error, call, device_);
}

absl::Status BenchGpu::Wait() const {
  return Check(cuda_.DeviceSynchronize(), "cudaDeviceSynchronize");
}

absl::StatusOr<DeviceBuffer> BenchGpu::Allocate(uint64_t size_bytes) {
  return MakeDeviceBuffer(cuda_, device_, size_bytes);
}

absl::StatusOr<PinnedBuffer> BenchGpu::AllocatePinned(uint64_t size_bytes) {
  return MakePinnedBuffer(cuda_, device_, size_bytes);
}

absl::Status BenchGpu::Upload(absl::Span<const uint8_t> bytes, uint8_t* to_dev) {
  while (!bytes.empty()) {
    const uint64_t size = std::min<uint64_t>(bytes.size(), kStagingBytes);
    std::memcpy(staging_.get(), bytes.data(), size);
    ECF8_RETURN_IF_ERROR(Check(
        cuda_.MemcpyAsync(to_dev, staging_.get(), size, CudaCopy::kHostToDevice, stream_.get()),
        "cudaMemcpyAsync"));
    ECF8_RETURN_IF_ERROR(Wait());
    bytes.remove_prefix(size);
    to_dev += size;
  }
  return absl::OkStatus();
}

absl::Status BenchGpu::Download(const uint8_t* from_dev, absl::Span<uint8_t> bytes) {
  while (!bytes.empty()) {
    const uint64_t size = std::min<uint64_t>(bytes.size(), kStagingBytes);
    ECF8_RETURN_IF_ERROR(Check(
        cuda_.MemcpyAsync(staging_.get(), from_dev, size, CudaCopy::kDeviceToHost, stream_.get()),
        "cudaMemcpyAsync"));
    ECF8_RETURN_IF_ERROR(Wait());
    std::memcpy(bytes.data(), staging_.get(), size);
    bytes.remove_prefix(size);
    from_dev += size;
  }
  return absl::OkStatus();
}

absl::Status BenchGpu::CopyOnDevice(const uint8_t* from_dev, uint8_t* to_dev, uint64_t size_bytes) {
  ECF8_RETURN_IF_ERROR(Check(
      cuda_.MemcpyAsync(to_dev, from_dev, size_bytes, CudaCopy::kDeviceToDevice, stream_.get()),
      "cudaMemcpyAsync"));
  return Wait();
}

absl::StatusOr<Samples> BenchGpu::Time(int runs, std::string_view call,
                                       const std::function<CudaError(int run)>& work) {
  std::vector<OwnedEvent> marks;  // before run 0, then behind each
  for (int i = 0; i <= runs + 1; ++i) {
    ECF8_ASSIGN_OR_RETURN(OwnedEvent mark, MakeEvent(cuda_, device_));
    marks.push_back(std::move(mark));
  }
  const absl::Status queued = QueueRuns(marks, call, work);
  // Also after an error: the caller will free what the first runs use.
  const absl::Status passed = Wait();
  ECF8_RETURN_IF_ERROR(queued);
  ECF8_RETURN_IF_ERROR(passed);
  Samples seconds;
  for (size_t i = 1; i + 1 < marks.size(); ++i) {
    float time_ms = 0;
    ECF8_RETURN_IF_ERROR(Check(cuda_.EventElapsedTime(marks[i].get(), marks[i + 1].get(), &time_ms),
                               "cudaEventElapsedTime"));
    seconds.push_back(static_cast<double>(time_ms) / 1e3);
  }
  return seconds;
}

absl::Status BenchGpu::QueueRuns(const std::vector<OwnedEvent>& marks, std::string_view call,
                                 const std::function<CudaError(int run)>& work) {
  const auto record = [this](const OwnedEvent& mark) {
    return Check(cuda_.EventRecord(mark.get(), stream_.get()), "cudaEventRecord");
  };
  ECF8_RETURN_IF_ERROR(record(marks.front()));
  for (size_t run = 0; run + 1 < marks.size(); ++run) {
    ECF8_RETURN_IF_ERROR(Check(work(static_cast<int>(run)), call));
    ECF8_RETURN_IF_ERROR(record(marks[run + 1]));
  }
  return absl::OkStatus();
}

nlohmann::ordered_json RatesOf(const Samples& seconds, double work, double unit) {
  Samples rates;
  for (const double one : seconds) rates.push_back(work / one / unit);
  return {{"median", Median(rates)}, {"range", {Quantile(rates, 0), Quantile(rates, 1)}}};
}

}  // namespace ecf8
