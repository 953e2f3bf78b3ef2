#include "loader/cuda/find_gpu.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "decoder/status_macros.h"
#include "loader/cuda/cuda_status.h"

namespace ecf8 {

absl::StatusOr<int> FindGpu(CudaMappingCalls& cuda, const CudaUuid& uuid) {
  int count = 0;
  ECF8_RETURN_IF_ERROR(CudaStatus(cuda, cuda.GetDeviceCount(&count), "cuDeviceGetCount", 0));
  for (int device = 0; device < count; ++device) {
    CudaUuid found{};
    ECF8_RETURN_IF_ERROR(
        CudaStatus(cuda, cuda.GetDeviceUuid(device, &found), "cuDeviceGetUuid", device));
    if (found == uuid) return device;
  }
  return absl::NotFoundError(
      absl::StrCat("this process sees ", count, " GPUs, and not ", GpuUuidText(uuid)));
}

std::string GpuUuidText(const CudaUuid& uuid) {
  const std::string hex = absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(uuid.data()), uuid.size()));
  return "GPU-" + hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" +
         hex.substr(16, 4) + "-" + hex.substr(20);
}

}  // namespace ecf8
