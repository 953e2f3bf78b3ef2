// In a build without CUDA.
#include "loader/cuda/cuda_mapping_calls.h"

namespace ecf8 {

absl::StatusOr<CudaMappingCalls*> DriverCuda() {
  return absl::FailedPreconditionError(
      "this was built without CUDA (ECF8_CUDA was OFF, or no CUDA toolkit was found)");
}

}  // namespace ecf8
