#include "loader/cuda/cuda_slot_runs.h"

#include <cassert>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/cuda/cuda_status.h"
#include "loader/memory/slot_space.h"

namespace ecf8 {

absl::StatusOr<std::unique_ptr<CudaSlotRuns>> CudaSlotRuns::Create(CudaCalls& cuda,
                                                                   const std::vector<int>& devices,
                                                                   DeviceMemory& slots, Gpu& gpu) {
  if (!slots.resizable()) return nullptr;
  const int device = devices.front();
  CudaDeviceTraits traits;
  ECF8_RETURN_IF_ERROR(
      CudaStatus(cuda, cuda.GetDeviceTraits(device, &traits), "cudaGetDeviceProperties", device));
  if (!traits.exports_handles) return nullptr;
  uint64_t granularity = 0;
  ECF8_RETURN_IF_ERROR(
      CudaStatus(cuda, cuda.MemGetAllocationGranularity(device, /*exportable=*/true, &granularity),
                 "cuMemGetAllocationGranularity", device));
  if (kSlotPageBytes % granularity != 0) return nullptr;
  std::unique_ptr<CudaSlotRuns> runs(new CudaSlotRuns(cuda, device, slots, gpu));
  ECF8_RETURN_IF_ERROR(CudaStatus(cuda, cuda.GetDeviceUuid(device, &runs->uuid_),
                                  "cudaGetDeviceProperties", device));
  return runs;
}

uint64_t CudaSlotRuns::WantedBytes() const { return slots_.span_dev().size() - run_bytes_; }

absl::StatusOr<SlotRun> CudaSlotRuns::Open(uint64_t size_bytes, uint64_t kept_bytes) {
  MutexLock lock(mutex_);
  ECF8_RETURN_IF_ERROR(CudaStatus(cuda_, cuda_.SetDevice(device_), "cudaSetDevice", device_));
  assert(size_bytes > 0 && size_bytes + kept_bytes <= WantedBytes());
  if (slots_.backed_bytes() > kept_bytes) ECF8_RETURN_IF_ERROR(slots_.Resize(kept_bytes));
  absl::StatusOr<ExportedRun> made = ExportedRun::Make(cuda_, device_, size_bytes);
  if (!made.ok()) {
    RefillLocked();
    return made.status();
  }
  SlotRun run{.memory_dev = made->span_dev(), .fd = made->TakeDescriptor()};
  runs_.emplace(run.memory_dev.data(), *std::move(made));
  run_bytes_ += size_bytes;
  RefillLocked();  // where they kept less than is left
  return run;
}

void CudaSlotRuns::Close(absl::Span<uint8_t> memory_dev) {
  MutexLock lock(mutex_);
  (void)cuda_.SetDevice(device_);
  [[maybe_unused]] const size_t erased = runs_.erase(memory_dev.data());
  assert(erased == 1);
  run_bytes_ -= memory_dev.size();
  RefillLocked();
}

void CudaSlotRuns::Refill() {
  MutexLock lock(mutex_);
  (void)cuda_.SetDevice(device_);
  RefillLocked();
}

// What does not come now is missing until it is tried again.
void CudaSlotRuns::RefillLocked() {
  if (slots_.backed_bytes() < WantedBytes()) slots_.Resize(WantedBytes()).IgnoreError();
}

uint64_t CudaSlotRuns::missing_bytes() const {
  MutexLock lock(mutex_);
  return WantedBytes() - slots_.backed_bytes();
}

}  // namespace ecf8
