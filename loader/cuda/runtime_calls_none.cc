// In a build without CUDA.
#include "loader/cuda/cuda_calls.h"

namespace ecf8 {

absl::StatusOr<CudaCalls*> RealCuda() {
  return absl::FailedPreconditionError(
      "this program was built without CUDA (ECF8_CUDA was OFF, or no CUDA toolkit was found)");
}

}  // namespace ecf8
