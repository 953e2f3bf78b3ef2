#include "loader/cuda/driver_cuda.h"

#include <dlfcn.h>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"

namespace ecf8 {
namespace {

template <typename Function>
absl::Status Find(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  if (*function != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the NVIDIA driver is too old: it has no ", name));
}

}  // namespace

absl::StatusOr<CudaDriver> LoadCudaDriver() {
  void* const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("no NVIDIA driver: ", dlerror()));
  }
  CudaDriver driver;
  ECF8_RETURN_IF_ERROR(Find(library, "cuInit", &driver.Init));
  ECF8_RETURN_IF_ERROR(Find(library, "cuGetErrorName", &driver.GetErrorName));
  ECF8_RETURN_IF_ERROR(Find(library, "cuGetErrorString", &driver.GetErrorString));
  ECF8_RETURN_IF_ERROR(Find(library, "cuDeviceGetCount", &driver.DeviceGetCount));
  ECF8_RETURN_IF_ERROR(Find(library, "cuDeviceGet", &driver.DeviceGet));
  ECF8_RETURN_IF_ERROR(Find(library, "cuDeviceGetUuid_v2", &driver.DeviceGetUuid));
  ECF8_RETURN_IF_ERROR(Find(library, "cuDevicePrimaryCtxRetain", &driver.DevicePrimaryCtxRetain));
  ECF8_RETURN_IF_ERROR(Find(library, "cuCtxPushCurrent_v2", &driver.CtxPushCurrent));
  ECF8_RETURN_IF_ERROR(Find(library, "cuCtxPopCurrent_v2", &driver.CtxPopCurrent));
  ECF8_RETURN_IF_ERROR(Find(library, "cuDeviceGetAttribute", &driver.DeviceGetAttribute));
  ECF8_RETURN_IF_ERROR(
      Find(library, "cuMemGetAllocationGranularity", &driver.MemGetAllocationGranularity));
  ECF8_RETURN_IF_ERROR(Find(library, "cuMemAddressReserve", &driver.MemAddressReserve));
  ECF8_RETURN_IF_ERROR(Find(library, "cuMemAddressFree", &driver.MemAddressFree));
  ECF8_RETURN_IF_ERROR(Find(library, "cuMemCreate", &driver.MemCreate));
  ECF8_RETURN_IF_ERROR(Find(library, "cuMemRelease", &driver.MemRelease));
  ECF8_RETURN_IF_ERROR(Find(library, "cuMemMap", &driver.MemMap));
  ECF8_RETURN_IF_ERROR(Find(library, "cuMemUnmap", &driver.MemUnmap));
  ECF8_RETURN_IF_ERROR(Find(library, "cuMemSetAccess", &driver.MemSetAccess));
  ECF8_RETURN_IF_ERROR(
      Find(library, "cuMemExportToShareableHandle", &driver.MemExportToShareableHandle));
  ECF8_RETURN_IF_ERROR(
      Find(library, "cuMemImportFromShareableHandle", &driver.MemImportFromShareableHandle));
  ECF8_RETURN_IF_ERROR(Find(library, "cuEventCreate", &driver.EventCreate));
  ECF8_RETURN_IF_ERROR(Find(library, "cuEventDestroy_v2", &driver.EventDestroy));
  ECF8_RETURN_IF_ERROR(Find(library, "cuEventRecord", &driver.EventRecord));
  ECF8_RETURN_IF_ERROR(Find(library, "cuEventQuery", &driver.EventQuery));
  return driver;
}

}  // namespace ecf8
