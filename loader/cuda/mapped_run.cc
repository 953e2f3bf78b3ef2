#include "loader/cuda/mapped_run.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/cuda/cuda_status.h"

namespace ecf8 {

absl::StatusOr<MappedRun> MappedRun::Map(CudaMappingCalls& cuda, int device,
                                         CudaMemoryHandle handle, uint64_t size_bytes) {
  MappedRun run;
  run.cuda_ = &cuda;
  uint8_t* address_dev = nullptr;
  absl::Status status =
      CudaStatus(cuda, cuda.MemAddressReserve(size_bytes, &address_dev),
                 absl::StrCat("cuMemAddressReserve of ", FormatBytes(size_bytes)), device);
  if (status.ok()) {
    run.memory_dev_ = {address_dev, size_bytes};
    status = run.Place(device, handle);
  }
  // What is mapped stays, and goes with its mapping.
  (void)cuda.MemRelease(handle);
  ECF8_RETURN_IF_ERROR(status);
  return run;
}

absl::Status MappedRun::Place(int device, CudaMemoryHandle handle) {
  ECF8_RETURN_IF_ERROR(CudaStatus(
      *cuda_, cuda_->MemMap(memory_dev_.data(), memory_dev_.size(), handle), "cuMemMap", device));
  mapped_ = true;
  return CudaStatus(*cuda_, cuda_->MemSetAccess(memory_dev_.data(), memory_dev_.size(), {device}),
                    "cuMemSetAccess", device);
}

absl::StatusOr<MappedRun> MappedRun::Import(CudaMappingCalls& cuda, int device, int fd,
                                            uint64_t size_bytes) {
  CudaMemoryHandle handle = 0;
  ECF8_RETURN_IF_ERROR(CudaStatus(cuda, cuda.MemImportFromShareableHandle(fd, &handle),
                                  "cuMemImportFromShareableHandle", device));
  return Map(cuda, device, handle, size_bytes);
}

MappedRun& MappedRun::operator=(MappedRun&& other) noexcept {
  std::swap(cuda_, other.cuda_);
  std::swap(memory_dev_, other.memory_dev_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

// Errors have nowhere to go, and a lost device gives its memory back by itself.
MappedRun::~MappedRun() {
  if (memory_dev_.empty()) return;
  if (mapped_) (void)cuda_->MemUnmap(memory_dev_.data(), memory_dev_.size());
  (void)cuda_->MemAddressFree(memory_dev_.data(), memory_dev_.size());
}

}  // namespace ecf8
