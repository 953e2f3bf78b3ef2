// Waiting for what a program has queued in a stream of its own.
#ifndef ECF8_LOADER_CUDA_STREAM_WAIT_H_
#define ECF8_LOADER_CUDA_STREAM_WAIT_H_

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "loader/cuda/cuda_mapping_calls.h"

namespace ecf8 {

// Returns when all that was queued in `stream` before has passed: true; or when `is_over` says so,
// which is asked again and again: false. A stream of `device`'s primary context, which is the
// runtime's; null: its default stream. Errors of the call, or of work that was queued before.
absl::StatusOr<bool> WaitForStream(CudaMappingCalls& cuda, int device, CudaStream stream,
                                   absl::FunctionRef<bool()> is_over);

}  // namespace ecf8

#endif  // ECF8_LOADER_CUDA_STREAM_WAIT_H_
