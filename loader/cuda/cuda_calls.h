// What the loader asks of CUDA, in one place and without CUDA's headers: the runtime, the driver's
// virtual memory, and the decoder's kernel. Bound to the real thing by runtime_calls_cuda.cc, and
// in tests to a strict fake (tests/support/fake_cuda/).
#ifndef ECF8_LOADER_CUDA_CUDA_CALLS_H_
#define ECF8_LOADER_CUDA_CUDA_CALLS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "decoder/tile_decode_cuda.h"
#include "decoder/tile_work.h"

namespace ecf8 {

// A cudaError_t, or the CUresult of a driver's call: the numbers are the same.
using CudaError = int;
inline constexpr CudaError kCudaSuccess = 0;
inline constexpr CudaError kCudaInvalidValue = 1;
inline constexpr CudaError kCudaOutOfMemory = 2;
inline constexpr CudaError kCudaIllegalAddress = 700;
inline constexpr CudaError kCudaNotReady = 600;
inline constexpr CudaError kCudaNotSupported = 801;

using CudaStream = struct CudaStreamTag*;     // a cudaStream_t
using CudaEvent = struct CudaEventTag*;       // a cudaEvent_t
using CudaMemoryHandle = unsigned long long;  // a CUmemGenericAllocationHandle

enum class CudaCopy : uint8_t { kHostToDevice, kDeviceToHost, kDeviceToDevice };

// What a device can.
struct CudaDeviceTraits {
  std::string name;              // "NVIDIA H100 80GB HBM3"
  bool virtual_memory = false;   // the Mem... calls
  bool exports_handles = false;  // as file descriptors
};

// Named as CUDA names them, without its prefix. Errors are the call's own, or those of work that
// was queued before. As in CUDA the current device belongs to the calling thread, and what is
// created belongs to the current device. Thread-safe; a subclass has to be so too.
class CudaCalls {
 public:
  virtual ~CudaCalls() = default;

  virtual const char* ErrorName(CudaError error) = 0;  // "cudaErrorInvalidValue"
  virtual const char* ErrorText(CudaError error) = 0;  // "invalid argument"

  virtual CudaError GetDeviceCount(int* count) = 0;
  virtual CudaError GetDeviceTraits(int device, CudaDeviceTraits* traits) = 0;
  virtual CudaError CanAccessPeer(int device, int peer, bool* can) = 0;
  virtual CudaError SetDevice(int device) = 0;
  virtual CudaError DeviceSynchronize() = 0;  // blocking: for the end, and after errors

  // Blocking, all of these: for the start and the end.
  virtual CudaError Malloc(uint64_t size_bytes, uint8_t** memory_dev) = 0;
  virtual CudaError Free(uint8_t* memory_dev) = 0;
  virtual CudaError HostAlloc(uint64_t size_bytes, uint8_t** memory) = 0;
  virtual CudaError FreeHost(uint8_t* memory) = 0;
  // Pins whole pages, for all devices.
  virtual CudaError HostRegister(uint8_t* memory, uint64_t size_bytes) = 0;
  virtual CudaError HostUnregister(uint8_t* memory) = 0;

  // The driver's virtual memory. Sizes and addresses are multiples of the granularity.
  virtual CudaError MemGetAllocationGranularity(int device, bool exportable,
                                                uint64_t* size_bytes) = 0;
  virtual CudaError MemAddressReserve(uint64_t size_bytes, uint8_t** address_dev) = 0;
  virtual CudaError MemAddressFree(uint8_t* address_dev, uint64_t size_bytes) = 0;
  virtual CudaError MemCreate(int device, uint64_t size_bytes, bool exportable,
                              CudaMemoryHandle* handle) = 0;
  virtual CudaError MemRelease(CudaMemoryHandle handle) = 0;  // mapped memory stays
  virtual CudaError MemMap(uint8_t* address_dev, uint64_t size_bytes, CudaMemoryHandle handle) = 0;
  virtual CudaError MemUnmap(uint8_t* address_dev, uint64_t size_bytes) = 0;
  // Lets `devices` read and write.
  virtual CudaError MemSetAccess(uint8_t* address_dev, uint64_t size_bytes,
                                 const std::vector<int>& devices) = 0;
  virtual CudaError MemExportToShareableHandle(CudaMemoryHandle handle, int* fd) = 0;

  // Streams do not wait for the default stream; events measure time.
  virtual CudaError StreamCreate(CudaStream* stream) = 0;
  virtual CudaError StreamDestroy(CudaStream stream) = 0;
  virtual CudaError StreamWaitEvent(CudaStream stream, CudaEvent event) = 0;
  virtual CudaError EventCreate(CudaEvent* event) = 0;
  virtual CudaError EventDestroy(CudaEvent event) = 0;
  virtual CudaError EventRecord(CudaEvent event, CudaStream stream) = 0;
  virtual CudaError EventQuery(CudaEvent event) = 0;  // kCudaNotReady where it has not passed
  virtual CudaError EventElapsedTime(CudaEvent begin, CudaEvent end, float* time_ms) = 0;
  // Host memory must be pinned.
  virtual CudaError MemcpyAsync(uint8_t* to, const uint8_t* from, uint64_t size_bytes,
                                CudaCopy direction, CudaStream stream) = 0;

  // As in decoder/tile_decode_cuda.h. The launch goes through cudaLaunchKernel.
  virtual CudaError PrepareTileDecode(TileDecodeShape* shape) = 0;
  virtual CudaError LaunchTileDecode(const TileDecodeShape& shape, const TileWork& work,
                                     CudaStream stream) = 0;
};

// CUDA itself, for the life of the process; its driver is loaded by the first call.
// FAILED_PRECONDITION, and why, where there is none: this is a build without CUDA, the machine has
// no driver or an older one, or there is no device. Thread-safe.
absl::StatusOr<CudaCalls*> RealCuda();

}  // namespace ecf8

#endif  // ECF8_LOADER_CUDA_CUDA_CALLS_H_
