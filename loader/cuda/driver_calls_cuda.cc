// CudaMappingCalls bound to the driver alone: nothing of CUDA is linked.
#include <cuda.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/mutex.h"
#include "loader/cuda/cuda_mapping_calls.h"
#include "loader/cuda/driver_cuda.h"
#include "loader/cuda/driver_memory_cuda.h"

namespace ecf8 {
namespace {

// Of the calling thread; the driver itself knows contexts only.
thread_local int current_device = 0;

class DriverCalls final : public DriverMemoryCalls<CudaMappingCalls> {
 public:
  explicit DriverCalls(const CudaDriver& driver) : DriverMemoryCalls(driver) {}

  const char* ErrorName(CudaError error) override {
    return Text(driver_.GetErrorName, error, "an error without a name");
  }
  const char* ErrorText(CudaError error) override {
    return Text(driver_.GetErrorString, error, "an error that the driver does not know");
  }

  CudaError GetDeviceCount(int* count) override { return driver_.DeviceGetCount(count); }
  CudaError GetDeviceUuid(int device, CudaUuid* uuid) override {
    CUdevice number = 0;
    if (const CUresult error = driver_.DeviceGet(&number, device)) return error;
    CUuuid found;
    if (const CUresult error = driver_.DeviceGetUuid(&found, number)) return error;
    std::copy_n(reinterpret_cast<const uint8_t*>(found.bytes), uuid->size(), uuid->begin());
    return kCudaSuccess;
  }
  CudaError SetDevice(int device) override {
    CUcontext context = nullptr;
    if (const CudaError error = ContextOf(device, &context)) return error;
    current_device = device;
    return kCudaSuccess;
  }

  CudaError EventCreate(CudaEvent* event) override {
    return InContext([&] {
      return driver_.EventCreate(reinterpret_cast<CUevent*>(event), CU_EVENT_DISABLE_TIMING);
    });
  }
  CudaError EventDestroy(CudaEvent event) override {
    return InContext([&] { return driver_.EventDestroy(Real(event)); });
  }
  CudaError EventRecord(CudaEvent event, CudaStream stream) override {
    return InContext(
        [&] { return driver_.EventRecord(Real(event), reinterpret_cast<CUstream>(stream)); });
  }
  CudaError EventQuery(CudaEvent event) override {
    return InContext([&] { return driver_.EventQuery(Real(event)); });
  }

 private:
  static CUevent Real(CudaEvent event) { return reinterpret_cast<CUevent>(event); }

  template <typename Function>
  static const char* Text(Function function, CudaError error, const char* unknown) {
    const char* text = nullptr;
    return function(static_cast<CUresult>(error), &text) == CUDA_SUCCESS && text != nullptr
               ? text
               : unknown;
  }

  // The primary context, which the runtime uses, too; retained once, for the process's life.
  CudaError ContextOf(int device, CUcontext* context) {
    MutexLock lock(mutex_);
    const auto known = contexts_.find(device);
    if (known != contexts_.end()) {
      *context = known->second;
      return kCudaSuccess;
    }
    CUdevice number = 0;
    if (const CUresult error = driver_.DeviceGet(&number, device)) return error;
    if (const CUresult error = driver_.DevicePrimaryCtxRetain(context, number)) return error;
    contexts_[device] = *context;
    return kCudaSuccess;
  }

  template <typename Call>
  CudaError InContext(Call call) {
    CUcontext context = nullptr;
    if (const CudaError error = ContextOf(current_device, &context)) return error;
    if (const CUresult error = driver_.CtxPushCurrent(context)) return error;
    const CUresult result = call();
    CUcontext popped = nullptr;
    const CUresult back = driver_.CtxPopCurrent(&popped);
    return result != CUDA_SUCCESS ? result : back;
  }

  Mutex mutex_;
  std::map<int, CUcontext> contexts_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<CudaMappingCalls*> Load() {
  ECF8_ASSIGN_OR_RETURN(const CudaDriver driver, LoadCudaDriver());
  if (const CUresult error = driver.Init(0)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the NVIDIA driver does not start: error ", static_cast<int>(error)));
  }
  return new DriverCalls(driver);
}

}  // namespace

absl::StatusOr<CudaMappingCalls*> DriverCuda() {
  static const absl::StatusOr<CudaMappingCalls*>* const cuda =
      new absl::StatusOr<CudaMappingCalls*>(Load());
  return *cuda;
}

}  // namespace ecf8
