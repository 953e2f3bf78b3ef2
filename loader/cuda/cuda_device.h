// The device that is one NVIDIA GPU or several: slots and frames in their memory, the decoder's
// kernel on them. docs/GPU.md says how memory, streams and threads go together.
//
//   TrySubmit --> threads: checksums, tables --> Gpu: copies, launch --> DeviceSink
#ifndef ECF8_LOADER_CUDA_CUDA_DEVICE_H_
#define ECF8_LOADER_CUDA_CUDA_DEVICE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/base/mutex.h"
#include "loader/cuda/cuda_calls.h"
#include "loader/cuda/cuda_slot_runs.h"
#include "loader/cuda/device_memory.h"
#include "loader/cuda/frame_tables.h"
#include "loader/cuda/gpu.h"
#include "loader/cuda/pinned_ranges.h"
#include "loader/engine/device.h"

namespace ecf8 {

struct CudaDeviceOptions {
  // CUDA's numbers. Several of them reach each other's memory, which is shared out evenly; a unit
  // is decoded by the GPU that its slot begins on.
  std::vector<int> devices = {0};
  uint64_t slot_budget_bytes = 0;     // rounded down to whole pages of slots
  uint64_t frame_budget_bytes = 0;    // for compressed units; rounded down to whole frames
  int threads = 0;                    // that compare checksums; 0: one a core
  std::vector<int> cores{};           // to pin the threads to, in turn; empty: the system chooses
  int flights = 4;                    // of each GPU: what is copied and decoded at once
  uint64_t staging_bytes = 16 << 20;  // of each flight; at least kChunkWeights
};

class CudaDevice final : public Device {
 public:
  // `cuda` and `sink` outlive the device. INVALID_ARGUMENT for a device that is not there, twice
  // the same, cores that are not ours, or GPUs that do not reach each other's memory;
  // RESOURCE_EXHAUSTED where memory or threads do not suffice; else CUDA's errors.
  static absl::StatusOr<std::unique_ptr<CudaDevice>> Create(const CudaDeviceOptions& options,
                                                            CudaCalls& cuda, DeviceSink& sink);
  ~CudaDevice() override;

  bool TrySubmit(DeviceJob job) override;
  // Pins the memory. Where that is refused it is copied once more on its way.
  void RegisterHostMemory(absl::Span<uint8_t> memory) override;
  absl::Span<uint8_t> slot_memory_dev() const override { return slots_->span_dev(); }
  // Of one GPU that has virtual memory and exports it.
  SlotRuns* slot_runs() override { return runs_.get(); }
  absl::Span<uint8_t> frame_memory_dev() const override { return frames_->span_dev(); }
  absl::Status ReadSlot(const uint8_t* from_dev, absl::Span<uint8_t> out) override;
  void WaitUntilTouched() override {}
  const DeviceInfo& info() const override { return info_; }

 private:
  CudaDevice(CudaCalls& cuda, DeviceSink& sink, const CudaDeviceOptions& options);

  absl::Status StartThreads(const CudaDeviceOptions& options);
  void Run();
  void Prepare(std::unique_ptr<CudaJob> job, std::vector<uint8_t>* scratch);
  absl::Status PrepareTables(CudaJob& job, std::vector<uint8_t>* scratch);
  void RememberTables(const DeviceJob& job, absl::Span<const uint8_t> stored);
  Gpu& GpuOf(const DeviceJob& job);
  Gpu& GpuOfSlot(const uint8_t* at_dev);
  void Done(std::unique_ptr<CudaJob> job);

  CudaCalls& cuda_;
  DeviceSink& sink_;
  const std::vector<int> devices_;
  const size_t thread_count_;
  const DeviceInfo info_;

  // In the order in which each needs those before it.
  PinnedRanges pinned_;
  FrameTables frame_tables_;
  std::unique_ptr<DeviceMemory> slots_;
  std::unique_ptr<DeviceMemory> frames_;
  std::vector<std::unique_ptr<Gpu>> gpus_;  // as devices_
  std::unique_ptr<CudaSlotRuns> runs_;      // may be null

  Mutex mutex_;
  CondVar work_;
  std::deque<DeviceJob> queue_ ABSL_GUARDED_BY(mutex_);
  size_t jobs_ ABSL_GUARDED_BY(mutex_) = 0;  // queued and at hand
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CUDA_CUDA_DEVICE_H_
