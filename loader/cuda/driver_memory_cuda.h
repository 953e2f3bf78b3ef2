// The driver's virtual memory, for whatever else of CUDA stands beside it: the runtime in the
// loader, nothing in a client.
#ifndef ECF8_LOADER_CUDA_DRIVER_MEMORY_CUDA_H_
#define ECF8_LOADER_CUDA_DRIVER_MEMORY_CUDA_H_

#include <cuda.h>

#include <cstdint>
#include <vector>

#include "loader/cuda/cuda_mapping_calls.h"
#include "loader/cuda/driver_cuda.h"

namespace ecf8 {

// `Calls`: CudaMappingCalls, or a subclass.
template <typename Calls>
class DriverMemoryCalls : public Calls {
 public:
  CudaError MemAddressReserve(uint64_t size_bytes, uint8_t** address_dev) override {
    CUdeviceptr address = 0;
    const CUresult error = driver_.MemAddressReserve(&address, size_bytes, 0, 0, 0);
    *address_dev = reinterpret_cast<uint8_t*>(address);
    return error;
  }
  CudaError MemAddressFree(uint8_t* address_dev, uint64_t size_bytes) override {
    return driver_.MemAddressFree(AddressOf(address_dev), size_bytes);
  }
  CudaError MemImportFromShareableHandle(int fd, CudaMemoryHandle* handle) override {
    return driver_.MemImportFromShareableHandle(handle,
                                                reinterpret_cast<void*>(static_cast<uintptr_t>(fd)),
                                                CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
  }
  CudaError MemRelease(CudaMemoryHandle handle) override { return driver_.MemRelease(handle); }
  CudaError MemMap(uint8_t* address_dev, uint64_t size_bytes, CudaMemoryHandle handle) override {
    return driver_.MemMap(AddressOf(address_dev), size_bytes, 0, handle, 0);
  }
  CudaError MemUnmap(uint8_t* address_dev, uint64_t size_bytes) override {
    return driver_.MemUnmap(AddressOf(address_dev), size_bytes);
  }
  CudaError MemSetAccess(uint8_t* address_dev, uint64_t size_bytes,
                         const std::vector<int>& devices) override {
    std::vector<CUmemAccessDesc> access(devices.size());
    for (size_t i = 0; i < devices.size(); ++i) {
      access[i].location.type = CU_MEM_LOCATION_TYPE_DEVICE;
      access[i].location.id = devices[i];
      access[i].flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    }
    return driver_.MemSetAccess(AddressOf(address_dev), size_bytes, access.data(), access.size());
  }

 protected:
  explicit DriverMemoryCalls(const CudaDriver& driver) : driver_(driver) {}

  static CUdeviceptr AddressOf(uint8_t* address_dev) {
    return reinterpret_cast<CUdeviceptr>(address_dev);
  }

  const CudaDriver driver_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CUDA_DRIVER_MEMORY_CUDA_H_
