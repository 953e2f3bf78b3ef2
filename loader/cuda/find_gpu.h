// A GPU by the name that all processes have for it.
#ifndef ECF8_LOADER_CUDA_FIND_GPU_H_
#define ECF8_LOADER_CUDA_FIND_GPU_H_

#include <string>

#include "absl/status/statusor.h"
#include "loader/cuda/cuda_mapping_calls.h"

namespace ecf8 {

// CUDA's number for it in this process, which need not be another's. NOT_FOUND where this process
// does not see it (CUDA_VISIBLE_DEVICES).
absl::StatusOr<int> FindGpu(CudaMappingCalls& cuda, const CudaUuid& uuid);

// "GPU-01234567-89ab-cdef-0123-456789abcdef", as nvidia-smi says it.
std::string GpuUuidText(const CudaUuid& uuid);

}  // namespace ecf8

#endif  // ECF8_LOADER_CUDA_FIND_GPU_H_
