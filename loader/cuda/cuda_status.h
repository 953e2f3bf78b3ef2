// CUDA's errors as statuses.
#ifndef ECF8_LOADER_CUDA_CUDA_STATUS_H_
#define ECF8_LOADER_CUDA_CUDA_STATUS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "loader/cuda/cuda_mapping_calls.h"

namespace ecf8 {

// Whether the error is one after which CUDA answers nothing else in this process.
bool IsLostDevice(CudaError error);

// OK for success. "cudaMemcpyAsync on cuda:0: invalid argument (cudaErrorInvalidValue)":
// UNAVAILABLE for a lost device, RESOURCE_EXHAUSTED for want of memory, else INTERNAL.
absl::Status CudaStatus(CudaMappingCalls& cuda, CudaError error, std::string_view call, int device);

// "cuda:0"
std::string CudaDeviceName(int device);

}  // namespace ecf8

#endif  // ECF8_LOADER_CUDA_CUDA_STATUS_H_
