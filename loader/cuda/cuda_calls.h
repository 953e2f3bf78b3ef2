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
#include "loader/cuda/cuda_mapping_calls.h"

namespace ecf8 {

enum class CudaCopy : uint8_t { kHostToDevice, kDeviceToHost, kDeviceToDevice };

// What a device can.
struct CudaDeviceTraits {
  std::string name;              // "NVIDIA H100 80GB HBM3"
  bool virtual_memory = false;   // the Mem... calls
  bool exports_handles = false;  // as file descriptors
};

// As in CUDA the current device belongs to the calling thread, and what is created belongs to the
// current device. Thread-safe; a subclass has to be so too.
class CudaCalls : public CudaMappingCalls {
 public:
  virtual CudaError GetDeviceTraits(int device, CudaDeviceTraits* traits) = 0;
  virtual CudaError CanAccessPeer(int device, int peer, bool* can) = 0;
  virtual CudaError DeviceSynchronize() = 0;  // blocking: for the end, and after errors

  // Blocking, all of these: for the start and the end.
  virtual CudaError Malloc(uint64_t size_bytes, uint8_t** memory_dev) = 0;
  virtual CudaError Free(uint8_t* memory_dev) = 0;
  virtual CudaError HostAlloc(uint64_t size_bytes, uint8_t** memory) = 0;
  virtual CudaError FreeHost(uint8_t* memory) = 0;
  // Pins whole pages, for all devices.
  virtual CudaError HostRegister(uint8_t* memory, uint64_t size_bytes) = 0;
  virtual CudaError HostUnregister(uint8_t* memory) = 0;

  // More of the driver's virtual memory.
  virtual CudaError MemGetAllocationGranularity(int device, bool exportable,
                                                uint64_t* size_bytes) = 0;
  virtual CudaError MemCreate(int device, uint64_t size_bytes, bool exportable,
                              CudaMemoryHandle* handle) = 0;
  // The caller closes `fd`, which keeps the memory as a handle does.
  virtual CudaError MemExportToShareableHandle(CudaMemoryHandle handle, int* fd) = 0;

  // Streams do not wait for the default stream; events measure time.
  virtual CudaError StreamCreate(CudaStream* stream) = 0;
  virtual CudaError StreamDestroy(CudaStream stream) = 0;
  virtual CudaError StreamWaitEvent(CudaStream stream, CudaEvent event) = 0;
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
