#include "loader/cuda/stream_wait.h"

#include <chrono>
#include <thread>

#include "decoder/status_macros.h"
#include "loader/cuda/cuda_objects.h"
#include "loader/cuda/cuda_status.h"

namespace ecf8 {
namespace {

constexpr std::chrono::microseconds kPoll(20);

}  // namespace

CudaError WaitForEvent(CudaMappingCalls& cuda, CudaEvent event, absl::FunctionRef<bool()> is_over) {
  CudaError error = cuda.EventQuery(event);
  for (; error == kCudaNotReady && !is_over(); error = cuda.EventQuery(event)) {
    std::this_thread::sleep_for(kPoll);
  }
  return error;
}

absl::StatusOr<bool> WaitForStream(CudaMappingCalls& cuda, int device, CudaStream stream,
                                   absl::FunctionRef<bool()> is_over) {
  ECF8_RETURN_IF_ERROR(
      CudaStatus(cuda, cuda.SetDevice(device), "cuDevicePrimaryCtxRetain", device));
  ECF8_ASSIGN_OR_RETURN(const OwnedEvent passed, MakeEvent(cuda, device));
  ECF8_RETURN_IF_ERROR(
      CudaStatus(cuda, cuda.EventRecord(passed.get(), stream), "cuEventRecord", device));
  const CudaError error = WaitForEvent(cuda, passed.get(), is_over);
  if (error == kCudaNotReady) return false;
  ECF8_RETURN_IF_ERROR(CudaStatus(cuda, error, "cuEventQuery", device));
  return true;
}

}  // namespace ecf8
