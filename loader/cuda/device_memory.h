// A run of device memory at a fixed address.
#ifndef ECF8_LOADER_CUDA_DEVICE_MEMORY_H_
#define ECF8_LOADER_CUDA_DEVICE_MEMORY_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/cuda/cuda_calls.h"

namespace ecf8 {

struct DeviceMemoryOptions {
  uint64_t size_bytes = 0;   // rounded down to whole blocks on each device
  uint64_t block_bytes = 0;  // on each device; a multiple of 2 MiB where it is to be resized
  bool resizable = false;    // block by block
  std::vector<int> devices;  // that the run lies on, in this order, in equal shares
};

// Of the driver's virtual memory, where the devices have that: then a run lies on several devices
// that all reach it, and blocks at its end can be given back and made anew. Else of cudaMalloc, on
// one device. Immutable but for that, which is thread-compatible; the devices' work with it has
// ended before it goes.
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
  // On one device, with virtual memory, where it was asked for.
  bool resizable() const { return resizable_; }

  // How many bytes of the span have memory, from the first on: all of them after Create.
  uint64_t backed_bytes() const { return std::min(memory_dev_.size(), blocks_ * block_bytes_); }

  // Of resizable memory: the first `size_bytes`, a multiple of a block, are to have memory, and no
  // others. What is given back nobody uses; what comes is new. Blocks, also for work of the device.
  // RESOURCE_EXHAUSTED where there is not so much: it has then got as many blocks as there were.
  absl::Status Resize(uint64_t size_bytes);

  // Whose memory the byte is; it lies in the run.
  int DeviceOf(const uint8_t* at_dev) const;
  // From there to where the next device's share begins.
  uint64_t BytesOnDevice(const uint8_t* at_dev) const;
  // Whether another device's share begins there. Any address.
  bool StartsDevice(const uint8_t* at_dev) const;

 private:
  DeviceMemory(CudaCalls& cuda, const DeviceMemoryOptions& options)
      : cuda_(cuda), devices_(options.devices) {}
  absl::Status MapVirtual(const DeviceMemoryOptions& options);
  absl::Status MapBlocks(uint64_t count);  // so many more
  absl::Status MapBlock();
  void UnmapBlock();  // the last
  absl::Status Allocate(const DeviceMemoryOptions& options);

  CudaCalls& cuda_;
  const std::vector<int> devices_;
  bool resizable_ = false;
  absl::Span<uint8_t> memory_dev_;
  uint64_t device_bytes_ = 0;  // of each device
  // Virtual memory.
  absl::Span<uint8_t> reserved_dev_;
  uint64_t block_bytes_ = 0;
  uint64_t device_blocks_ = 0;  // of each device
  uint64_t blocks_ = 0;         // that are mapped, from the first on
  // cudaMalloc's.
  uint8_t* allocated_dev_ = nullptr;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_CUDA_DEVICE_MEMORY_H_
