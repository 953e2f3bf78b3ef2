// A run of a GPU's memory that another process maps: one allocation of its own, which nothing else
// has ever lain in or will. Who was given the descriptor may keep the memory mapped, and write to
// it, for as long as he lives; so it is not used again, but given back and made anew.
#ifndef ECF8_LOADER_CUDA_EXPORTED_RUN_H_
#define ECF8_LOADER_CUDA_EXPORTED_RUN_H_

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/base/descriptor.h"
#include "loader/cuda/cuda_calls.h"
#include "loader/cuda/mapped_run.h"

namespace ecf8 {

// Movable. As a MappedRun.
class ExportedRun {
 public:
  ExportedRun() = default;  // of nothing
  // `size_bytes`, a multiple of the granularity for exported memory, on `device`.
  // RESOURCE_EXHAUSTED where there is not so much.
  static absl::StatusOr<ExportedRun> Make(CudaCalls& cuda, int device, uint64_t size_bytes);

  absl::Span<uint8_t> span_dev() const { return run_.span_dev(); }
  // For one other process, once. It keeps the memory alive, so it had better be closed soon.
  Descriptor TakeDescriptor() { return std::move(fd_); }

 private:
  Descriptor fd_;
  MappedRun run_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CUDA_EXPORTED_RUN_H_
