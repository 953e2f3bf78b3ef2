// Runs of a GPU's memory for owners in other processes (slot_runs.h).
#ifndef ECF8_LOADER_CUDA_CUDA_SLOT_RUNS_H_
#define ECF8_LOADER_CUDA_CUDA_SLOT_RUNS_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/base/mutex.h"
#include "loader/cuda/cuda_calls.h"
#include "loader/cuda/device_memory.h"
#include "loader/cuda/exported_run.h"
#include "loader/cuda/gpu.h"
#include "loader/engine/slot_runs.h"

namespace ecf8 {

class CudaSlotRuns final : public SlotRuns {
 public:
  // Null where there are none: the GPU's memory cannot be exported, or the slots lie on several.
  // `cuda`, `slots` and `gpu`, which is the slots', outlive it. Changes the calling thread's
  // current device.
  static absl::StatusOr<std::unique_ptr<CudaSlotRuns>> Create(CudaCalls& cuda,
                                                              const std::vector<int>& devices,
                                                              DeviceMemory& slots, Gpu& gpu);

  const std::array<uint8_t, 16>& gpu_uuid() const override { return uuid_; }
  absl::StatusOr<SlotRun> Open(uint64_t size_bytes, uint64_t kept_bytes) override;
  void Close(absl::Span<uint8_t> memory_dev) override;
  void Refill() override;
  uint64_t missing_bytes() const override;
  absl::Status Copy(const uint8_t* from_dev, absl::Span<uint8_t> to_dev) override {
    return gpu_.CopySlot(from_dev, to_dev);
  }

 private:
  CudaSlotRuns(CudaCalls& cuda, int device, DeviceMemory& slots, Gpu& gpu)
      : cuda_(cuda), device_(device), gpu_(gpu), slots_(slots) {}

  // The calling thread's current device is the runs'.
  void RefillLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t WantedBytes() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  CudaCalls& cuda_;
  const int device_;
  CudaUuid uuid_{};
  Gpu& gpu_;

  mutable Mutex mutex_;  // held while memory comes and goes
  DeviceMemory& slots_;  // its size is guarded
  std::map<const uint8_t*, ExportedRun> runs_ ABSL_GUARDED_BY(mutex_);  // by address
  uint64_t run_bytes_ ABSL_GUARDED_BY(mutex_) = 0;                      // of all of them
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CUDA_CUDA_SLOT_RUNS_H_
