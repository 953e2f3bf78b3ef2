// Device memory at addresses of its own, in this process.
#ifndef ECF8_LOADER_CUDA_MAPPED_RUN_H_
#define ECF8_LOADER_CUDA_MAPPED_RUN_H_

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/cuda/cuda_mapping_calls.h"

namespace ecf8 {

// Movable. Gives addresses and memory back; nothing on the device uses them then.
class MappedRun {
 public:
  MappedRun() = default;  // of nothing
  // Maps all of `handle`, `size_bytes` on `device`, and lets that device read and write. The handle
  // is the run's, also where this fails. `cuda` outlives the run.
  static absl::StatusOr<MappedRun> Map(CudaMappingCalls& cuda, int device, CudaMemoryHandle handle,
                                       uint64_t size_bytes);
  // Memory that another process has made and exported as `fd`, which stays the caller's. Where the
  // allocation is smaller than `size_bytes` the mapping fails.
  static absl::StatusOr<MappedRun> Import(CudaMappingCalls& cuda, int device, int fd,
                                          uint64_t size_bytes);
  MappedRun(MappedRun&& other) noexcept { *this = std::move(other); }
  MappedRun& operator=(MappedRun&& other) noexcept;
  ~MappedRun();

  absl::Span<uint8_t> span_dev() const { return memory_dev_; }

 private:
  absl::Status Place(int device, CudaMemoryHandle handle);

  CudaMappingCalls* cuda_ = nullptr;
  absl::Span<uint8_t> memory_dev_;
  bool mapped_ = false;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CUDA_MAPPED_RUN_H_
