// Waiting for what is queued in a stream.
#ifndef ECF8_LOADER_CUDA_STREAM_WAIT_H_
#define ECF8_LOADER_CUDA_STREAM_WAIT_H_

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "loader/cuda/cuda_mapping_calls.h"

namespace ecf8 {

// Asks for `event`, some microseconds apart, until it has passed or has failed: what it said last;
// or until `is_over` says so: kCudaNotReady.
CudaError WaitForEvent(CudaMappingCalls& cuda, CudaEvent event, absl::FunctionRef<bool()> is_over);

// Returns when all that was queued in `stream` before has passed: true; or when `is_over` says so,
// which is asked again and again: false. A stream of `device`'s primary context, which is the
// runtime's; null: its default stream. Errors of the call, or of work that was queued before.
absl::StatusOr<bool> WaitForStream(CudaMappingCalls& cuda, int device, CudaStream stream,
                                   absl::FunctionRef<bool()> is_over);

}  // namespace ecf8

#endif  // ECF8_LOADER_CUDA_STREAM_WAIT_H_
