// What a process asks of CUDA that maps memory which another has made, and waits for its own work
// with it: the driver alone, without CUDA's headers. The client library needs no more; the loader's
// CudaCalls (cuda_calls.h) are these and more.
#ifndef ECF8_LOADER_CUDA_CUDA_MAPPING_CALLS_H_
#define ECF8_LOADER_CUDA_CUDA_MAPPING_CALLS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

namespace ecf8 {

// A cudaError_t, or the CUresult of a driver's call: the numbers are the same.
using CudaError = int;
inline constexpr CudaError kCudaSuccess = 0;
inline constexpr CudaError kCudaInvalidValue = 1;
inline constexpr CudaError kCudaOutOfMemory = 2;
inline constexpr CudaError kCudaIllegalAddress = 700;
inline constexpr CudaError kCudaNotReady = 600;
inline constexpr CudaError kCudaNotSupported = 801;

using CudaStream = struct CudaStreamTag*;     // a cudaStream_t, which is a CUstream
using CudaEvent = struct CudaEventTag*;       // a cudaEvent_t, which is a CUevent
using CudaMemoryHandle = unsigned long long;  // a CUmemGenericAllocationHandle
using CudaUuid = std::array<uint8_t, 16>;     // of a GPU: the same in every process

// Named as CUDA names them, without its prefix. Errors are the call's own, or those of work that
// was queued before. The device that SetDevice has named belongs to the calling thread; events are
// that device's. Thread-safe; a subclass has to be so too.
class CudaMappingCalls {
 public:
  virtual ~CudaMappingCalls() = default;

  virtual const char* ErrorName(CudaError error) = 0;  // "cudaErrorInvalidValue"
  virtual const char* ErrorText(CudaError error) = 0;  // "invalid argument"

  virtual CudaError GetDeviceCount(int* count) = 0;
  virtual CudaError GetDeviceUuid(int device, CudaUuid* uuid) = 0;
  virtual CudaError SetDevice(int device) = 0;

  // The driver's virtual memory. Sizes and addresses are multiples of the granularity.
  virtual CudaError MemAddressReserve(uint64_t size_bytes, uint8_t** address_dev) = 0;
  virtual CudaError MemAddressFree(uint8_t* address_dev, uint64_t size_bytes) = 0;
  // `fd` stays the caller's.
  virtual CudaError MemImportFromShareableHandle(int fd, CudaMemoryHandle* handle) = 0;
  virtual CudaError MemRelease(CudaMemoryHandle handle) = 0;  // mapped memory stays
  virtual CudaError MemMap(uint8_t* address_dev, uint64_t size_bytes, CudaMemoryHandle handle) = 0;
  // Waits for what the device is doing.
  virtual CudaError MemUnmap(uint8_t* address_dev, uint64_t size_bytes) = 0;
  // Lets `devices` read and write.
  virtual CudaError MemSetAccess(uint8_t* address_dev, uint64_t size_bytes,
                                 const std::vector<int>& devices) = 0;

  virtual CudaError EventCreate(CudaEvent* event) = 0;
  virtual CudaError EventDestroy(CudaEvent event) = 0;
  virtual CudaError EventRecord(CudaEvent event, CudaStream stream) = 0;
  virtual CudaError EventQuery(CudaEvent event) = 0;  // kCudaNotReady where it has not passed
};

// The driver, found in libcuda.so.1 by the first call, for the life of the process. Leaves the
// calling threads' current contexts as they are, and uses the devices' primary ones.
// FAILED_PRECONDITION, and why, where there is none: this is a build without CUDA, or the machine
// has no driver or an older one. Thread-safe.
absl::StatusOr<CudaMappingCalls*> DriverCuda();

}  // namespace ecf8

#endif  // ECF8_LOADER_CUDA_CUDA_MAPPING_CALLS_H_
