// A run of device memory at a fixed address, made once.
#ifndef ECF8_LOADER_CUDA_DEVICE_MEMORY_H_
#define ECF8_LOADER_CUDA_DEVICE_MEMORY_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/cuda/cuda_calls.h"

namespace ecf8 {

struct DeviceMemoryOptions {
  uint64_t size_bytes = 0;   // rounded down to whole blocks on each device
  uint64_t block_bytes = 0;  // on each device; a multiple of 2 MiB where memory is exported
  bool exportable = false;   // block by block
  std::vector<int> devices;  // that the run lies on, in this order, in equal shares
};

// Of the driver's virtual memory, where the devices have that: then a run lies on several devices
// that all reach it, and blocks can be handed to other processes. Else of cudaMalloc, on one
// device. Immutable; the devices' work with it has ended before it goes.
class DeviceMemory {
 public:
  // RESOURCE_EXHAUSTED where there is not so much memory. UNIMPLEMENTED for several devices without
  // virtual memory. Changes the calling thread's current device.
  static absl::StatusOr<std::unique_ptr<DeviceMemory>> Create(CudaCalls& cuda,
                                                              const DeviceMemoryOptions& options);
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  ~DeviceMemory();

  // Starts on 4096 bytes at least.
  absl::Span<uint8_t> span_dev() const { return memory_dev_; }
  bool exportable() const { return exportable_; }

  // Whose memory the byte is; it lies in the run.
  int DeviceOf(const uint8_t* at_dev) const;
  // From there to where the next device's share begins.
  uint64_t BytesOnDevice(const uint8_t* at_dev) const;
  // Whether another device's share begins there. Any address.
  bool StartsDevice(const uint8_t* at_dev) const;

  // Descriptors of the blocks that `run_dev`, whole blocks, is made of, for another process to map
  // in this order; the caller closes them. UNIMPLEMENTED where memory is not exportable.
  absl::StatusOr<std::vector<int>> Export(absl::Span<const uint8_t> run_dev) const;

 private:
  struct Block {
    CudaMemoryHandle handle = 0;
    bool mapped = false;
  };

  DeviceMemory(CudaCalls& cuda, const DeviceMemoryOptions& options)
      : cuda_(cuda), devices_(options.devices) {}
  absl::Status MapVirtual(const DeviceMemoryOptions& options);
  absl::Status MapBlock(uint64_t offset_bytes, int device);
  absl::Status Allocate(const DeviceMemoryOptions& options);

  CudaCalls& cuda_;
  const std::vector<int> devices_;
  bool exportable_ = false;
  absl::Span<uint8_t> memory_dev_;
  uint64_t device_bytes_ = 0;  // of each device
  // Virtual memory.
  absl::Span<uint8_t> reserved_dev_;
  uint64_t block_bytes_ = 0;
  std::vector<Block> blocks_;
  // cudaMalloc's.
  uint8_t* allocated_dev_ = nullptr;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CUDA_DEVICE_MEMORY_H_
