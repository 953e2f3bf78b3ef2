// CudaCalls bound to CUDA: the runtime linked into the program, the driver as it is found.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/cuda/cuda_calls.h"
#include "loader/cuda/driver_cuda.h"
#include "loader/cuda/driver_memory_cuda.h"

namespace ecf8 {
namespace {

static_assert(kCudaSuccess == static_cast<int>(cudaSuccess) && kCudaSuccess == CUDA_SUCCESS);
static_assert(kCudaInvalidValue == static_cast<int>(cudaErrorInvalidValue) &&
              kCudaInvalidValue == CUDA_ERROR_INVALID_VALUE);
static_assert(kCudaOutOfMemory == static_cast<int>(cudaErrorMemoryAllocation) &&
              kCudaOutOfMemory == CUDA_ERROR_OUT_OF_MEMORY);
static_assert(kCudaNotReady == static_cast<int>(cudaErrorNotReady));
static_assert(kCudaIllegalAddress == static_cast<int>(cudaErrorIllegalAddress) &&
              kCudaIllegalAddress == CUDA_ERROR_ILLEGAL_ADDRESS);
static_assert(kCudaNotSupported == static_cast<int>(cudaErrorNotSupported) &&
              kCudaNotSupported == CUDA_ERROR_NOT_SUPPORTED);

cudaStream_t Real(CudaStream stream) { return reinterpret_cast<cudaStream_t>(stream); }
cudaEvent_t Real(CudaEvent event) { return reinterpret_cast<cudaEvent_t>(event); }
CUmemAllocationProp AllocationProp(int device, bool exportable) {
  CUmemAllocationProp prop = {};
  prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  prop.location.id = device;
  if (exportable) prop.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  return prop;
}

class RuntimeCalls final : public DriverMemoryCalls<CudaCalls> {
 public:
  explicit RuntimeCalls(const CudaDriver& driver) : DriverMemoryCalls(driver) {}

  const char* ErrorName(CudaError error) override {
    return cudaGetErrorName(static_cast<cudaError_t>(error));
  }
  const char* ErrorText(CudaError error) override {
    return cudaGetErrorString(static_cast<cudaError_t>(error));
  }

  CudaError GetDeviceCount(int* count) override { return cudaGetDeviceCount(count); }
  CudaError GetDeviceTraits(int device, CudaDeviceTraits* traits) override {
    cudaDeviceProp properties;
    if (const cudaError_t error = cudaGetDeviceProperties(&properties, device)) return error;
    traits->name = properties.name;
    CUdevice number = 0;
    if (const CUresult error = driver_.DeviceGet(&number, device)) return error;
    for (const auto& [attribute, value] :
         {std::pair(CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED,
                    &traits->virtual_memory),
          std::pair(CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED,
                    &traits->exports_handles)}) {
      int supported = 0;
      if (const CUresult error = driver_.DeviceGetAttribute(&supported, attribute, number)) {
        return error;
      }
      *value = supported != 0;
    }
    return kCudaSuccess;
  }
  CudaError GetDeviceUuid(int device, CudaUuid* uuid) override {
    cudaDeviceProp properties;
    if (const cudaError_t error = cudaGetDeviceProperties(&properties, device)) return error;
    std::copy_n(reinterpret_cast<const uint8_t*>(properties.uuid.bytes), uuid->size(),
                uuid->begin());
    return kCudaSuccess;
  }
  CudaError CanAccessPeer(int device, int peer, bool* can) override {
    int value = 0;
    const cudaError_t error = cudaDeviceCanAccessPeer(&value, device, peer);
    *can = value != 0;
    return error;
  }
  CudaError SetDevice(int device) override { return cudaSetDevice(device); }
  CudaError DeviceSynchronize() override { return cudaDeviceSynchronize(); }

  CudaError Malloc(uint64_t size_bytes, uint8_t** memory_dev) override {
    return cudaMalloc(reinterpret_cast<void**>(memory_dev), size_bytes);
  }
  CudaError Free(uint8_t* memory_dev) override { return cudaFree(memory_dev); }
  CudaError HostAlloc(uint64_t size_bytes, uint8_t** memory) override {
    return cudaHostAlloc(reinterpret_cast<void**>(memory), size_bytes, cudaHostAllocPortable);
  }
  CudaError FreeHost(uint8_t* memory) override { return cudaFreeHost(memory); }
  CudaError HostRegister(uint8_t* memory, uint64_t size_bytes) override {
    return cudaHostRegister(memory, size_bytes, cudaHostRegisterPortable);
  }
  CudaError HostUnregister(uint8_t* memory) override { return cudaHostUnregister(memory); }

  CudaError MemGetAllocationGranularity(int device, bool exportable,
                                        uint64_t* size_bytes) override {
    const CUmemAllocationProp prop = AllocationProp(device, exportable);
    size_t granularity = 0;
    const CUresult error =
        driver_.MemGetAllocationGranularity(&granularity, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM);
    *size_bytes = granularity;
    return error;
  }
  CudaError MemCreate(int device, uint64_t size_bytes, bool exportable,
                      CudaMemoryHandle* handle) override {
    const CUmemAllocationProp prop = AllocationProp(device, exportable);
    return driver_.MemCreate(handle, size_bytes, &prop, 0);
  }
  CudaError MemExportToShareableHandle(CudaMemoryHandle handle, int* fd) override {
    return driver_.MemExportToShareableHandle(fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
                                              0);
  }

  CudaError StreamCreate(CudaStream* stream) override {
    return cudaStreamCreateWithFlags(reinterpret_cast<cudaStream_t*>(stream),
                                     cudaStreamNonBlocking);
  }
  CudaError StreamDestroy(CudaStream stream) override { return cudaStreamDestroy(Real(stream)); }
  CudaError StreamWaitEvent(CudaStream stream, CudaEvent event) override {
    return cudaStreamWaitEvent(Real(stream), Real(event), 0);
  }
  CudaError EventCreate(CudaEvent* event) override {
    return cudaEventCreateWithFlags(reinterpret_cast<cudaEvent_t*>(event), cudaEventDefault);
  }
  CudaError EventDestroy(CudaEvent event) override { return cudaEventDestroy(Real(event)); }
  CudaError EventRecord(CudaEvent event, CudaStream stream) override {
    return cudaEventRecord(Real(event), Real(stream));
  }
  CudaError EventQuery(CudaEvent event) override { return cudaEventQuery(Real(event)); }
  CudaError EventElapsedTime(CudaEvent begin, CudaEvent end, float* time_ms) override {
    return cudaEventElapsedTime(time_ms, Real(begin), Real(end));
  }
  CudaError MemcpyAsync(uint8_t* to, const uint8_t* from, uint64_t size_bytes, CudaCopy direction,
                        CudaStream stream) override {
    const cudaMemcpyKind kind = direction == CudaCopy::kHostToDevice   ? cudaMemcpyHostToDevice
                                : direction == CudaCopy::kDeviceToHost ? cudaMemcpyDeviceToHost
                                                                       : cudaMemcpyDeviceToDevice;
    return cudaMemcpyAsync(to, from, size_bytes, kind, Real(stream));
  }

  CudaError PrepareTileDecode(TileDecodeShape* shape) override {
    return ecf8::PrepareTileDecode(shape);
  }
  CudaError LaunchTileDecode(const TileDecodeShape& shape, const TileWork& work,
                             CudaStream stream) override {
    return ecf8::LaunchTileDecode(shape, work, Real(stream));
  }
};

absl::StatusOr<CudaCalls*> Load() {
  ECF8_ASSIGN_OR_RETURN(const CudaDriver driver, LoadCudaDriver());
  if (const CUresult error = driver.Init(0)) {
    // Its own names need an initialised driver; the runtime's numbers are the same.
    const auto same = static_cast<cudaError_t>(error);
    return absl::FailedPreconditionError(
        absl::StrCat("the NVIDIA driver does not start: ", cudaGetErrorString(same), " (",
                     cudaGetErrorName(same), ")"));
  }
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "CUDA finds no GPU: ", cudaGetErrorString(error), " (", cudaGetErrorName(error), ")"));
  }
  if (count == 0) return absl::FailedPreconditionError("CUDA finds no GPU");
  return new RuntimeCalls(driver);
}

}  // namespace

absl::StatusOr<CudaCalls*> RealCuda() {
  static const absl::StatusOr<CudaCalls*>* const cuda = new absl::StatusOr<CudaCalls*>(Load());
  return *cuda;
}

}  // namespace ecf8
