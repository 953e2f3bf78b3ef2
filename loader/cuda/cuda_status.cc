#include "loader/cuda/cuda_status.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace ecf8 {

// Those that CUDA documents as leaving the process in an inconsistent state, or as a device that is
// gone.
bool IsLostDevice(CudaError error) {
  switch (error) {
    case 46:   // cudaErrorDevicesUnavailable
    case 214:  // cudaErrorECCUncorrectable
    case 220:  // cudaErrorNvlinkUncorrectable
    case 226:  // cudaErrorContained
    case 700:  // cudaErrorIllegalAddress
    case 702:  // cudaErrorLaunchTimeout
    case 709:  // cudaErrorContextIsDestroyed
    case 710:  // cudaErrorAssert
    case 714:  // cudaErrorHardwareStackError
    case 715:  // cudaErrorIllegalInstruction
    case 716:  // cudaErrorMisalignedAddress
    case 717:  // cudaErrorInvalidAddressSpace
    case 718:  // cudaErrorInvalidPc
    case 719:  // cudaErrorLaunchFailure
    case 721:  // cudaErrorTensorMemoryLeak
    case 999:  // cudaErrorUnknown
      return true;
    default:
      return false;
  }
}

absl::Status CudaStatus(CudaMappingCalls& cuda, CudaError error, std::string_view call,
                        int device) {
  if (error == kCudaSuccess) return absl::OkStatus();
  const std::string message =
      absl::StrCat(absl::string_view(call.data(), call.size()), " on ", CudaDeviceName(device),
                   ": ", cuda.ErrorText(error), " (", cuda.ErrorName(error), ")");
  if (IsLostDevice(error)) return absl::UnavailableError(message);
  return error == kCudaOutOfMemory ? absl::ResourceExhaustedError(message)
                                   : absl::InternalError(message);
}

std::string CudaDeviceName(int device) { return absl::StrCat("cuda:", device); }

}  // namespace ecf8
