// The calls that make, pin, map and give back memory.
#include "tests/support/fake_cuda/fake_cuda.h"

namespace ecf8::testing {

CudaError FakeCuda::Malloc(uint64_t size_bytes, uint8_t** memory_dev) {
  MutexLock lock(mutex_);
  const int device = CurrentDevice("Malloc");
  CheckIdle("Malloc");
  if (const CudaError error = Begin("Malloc")) return error;
  if (memory_.used_bytes(device) + size_bytes > options_.memory_bytes) return kCudaOutOfMemory;
  *memory_dev = memory_.Allocate(device, size_bytes);
  return kCudaSuccess;
}

CudaError FakeCuda::Free(uint8_t* memory_dev) {
  MutexLock lock(mutex_);
  CheckIdle("Free");
  if (!memory_.Free(memory_dev)) Misuse("Free of what is not allocated");
  return Begin("Free");
}

CudaError FakeCuda::HostAlloc(uint64_t size_bytes, uint8_t** memory) {
  MutexLock lock(mutex_);
  CurrentDevice("HostAlloc");
  CheckIdle("HostAlloc");
  if (const CudaError error = Begin("HostAlloc")) return error;
  *memory = memory_.AllocateHost(size_bytes);
  return kCudaSuccess;
}

CudaError FakeCuda::FreeHost(uint8_t* memory) {
  MutexLock lock(mutex_);
  CheckIdle("FreeHost");
  if (!memory_.FreeHost(memory)) Misuse("FreeHost of what is not allocated");
  return Begin("FreeHost");
}

CudaError FakeCuda::HostRegister(uint8_t* memory, uint64_t size_bytes) {
  MutexLock lock(mutex_);
  CurrentDevice("HostRegister");
  if (const CudaError error = Begin("HostRegister")) return error;
  if (memory_.Register(memory, size_bytes)) return kCudaSuccess;
  Misuse("HostRegister of a page that is pinned already");
  return kRefused;
}

CudaError FakeCuda::HostUnregister(uint8_t* memory) {
  MutexLock lock(mutex_);
  CheckIdle("HostUnregister");
  if (!memory_.Unregister(memory)) Misuse("HostUnregister of what is not registered");
  return Begin("HostUnregister");
}

CudaError FakeCuda::MemGetAllocationGranularity(int /*device*/, bool /*exportable*/,
                                                uint64_t* size_bytes) {
  MutexLock lock(mutex_);
  *size_bytes = kFakeGranularityBytes;
  return Begin("MemGetAllocationGranularity");
}

CudaError FakeCuda::MemAddressReserve(uint64_t size_bytes, uint8_t** address_dev) {
  MutexLock lock(mutex_);
  if (const CudaError error = Begin("MemAddressReserve")) return error;
  *address_dev = memory_.Reserve(size_bytes);
  return *address_dev == nullptr ? kRefused : kCudaSuccess;
}

CudaError FakeCuda::MemAddressFree(uint8_t* address_dev, uint64_t size_bytes) {
  MutexLock lock(mutex_);
  if (!memory_.Unreserve(address_dev, size_bytes)) Misuse("MemAddressFree of what is in use");
  return Begin("MemAddressFree");
}

CudaError FakeCuda::MemCreate(int device, uint64_t size_bytes, bool exportable,
                              CudaMemoryHandle* handle) {
  MutexLock lock(mutex_);
  if (const CudaError error = Begin("MemCreate")) return error;
  if (!options_.virtual_memory || (exportable && !options_.exports_handles)) {
    return kCudaNotSupported;
  }
  if (size_bytes % kFakeGranularityBytes != 0) return kRefused;
  if (memory_.used_bytes(device) + size_bytes > options_.memory_bytes) return kCudaOutOfMemory;
  *handle = memory_.CreateHandle(device, size_bytes);
  return kCudaSuccess;
}

CudaError FakeCuda::MemRelease(CudaMemoryHandle handle) {
  MutexLock lock(mutex_);
  if (!memory_.ReleaseHandle(handle)) Misuse("MemRelease of no handle");
  return Begin("MemRelease");
}

CudaError FakeCuda::MemMap(uint8_t* address_dev, uint64_t size_bytes, CudaMemoryHandle handle) {
  MutexLock lock(mutex_);
  if (const CudaError error = Begin("MemMap")) return error;
  return memory_.Map(address_dev, size_bytes, handle) ? kCudaSuccess : kRefused;
}

CudaError FakeCuda::MemUnmap(uint8_t* address_dev, uint64_t size_bytes) {
  MutexLock lock(mutex_);
  // It waits for what is queued, so that it is no call of a thread that launches. What touches the
  // memory afterwards is found when it runs.
  if (!memory_.Unmap(address_dev, size_bytes)) Misuse("MemUnmap of what is not mapped");
  return Begin("MemUnmap");
}

CudaError FakeCuda::MemSetAccess(uint8_t* address_dev, uint64_t size_bytes,
                                 const std::vector<int>& devices) {
  MutexLock lock(mutex_);
  if (const CudaError error = Begin("MemSetAccess")) return error;
  return memory_.SetAccess(address_dev, size_bytes, devices) ? kCudaSuccess : kRefused;
}

CudaError FakeCuda::MemExportToShareableHandle(CudaMemoryHandle handle, int* fd) {
  MutexLock lock(mutex_);
  if (const CudaError error = Begin("MemExportToShareableHandle")) return error;
  if (memory_.IsExported(handle)) {
    Misuse("MemExportToShareableHandle of memory that another process was given already");
  }
  *fd = memory_.Export(handle);
  return *fd < 0 ? kRefused : kCudaSuccess;
}

CudaError FakeCuda::MemImportFromShareableHandle(int fd, CudaMemoryHandle* handle) {
  MutexLock lock(mutex_);
  if (const CudaError error = Begin("MemImportFromShareableHandle")) return error;
  *handle = memory_.Import(fd);
  return *handle == 0 ? kRefused : kCudaSuccess;
}

}  // namespace ecf8::testing
