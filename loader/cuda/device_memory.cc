#include "loader/cuda/device_memory.h"

#include <algorithm>
#include <cassert>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/cuda/cuda_status.h"

namespace ecf8 {
namespace {

constexpr uint64_t kAlignment = 4096;

// What all of the devices can.
absl::StatusOr<CudaDeviceTraits> CommonTraits(CudaCalls& cuda, const std::vector<int>& devices) {
  CudaDeviceTraits common;
  common.virtual_memory = true;
  for (const int device : devices) {
    CudaDeviceTraits traits;
    ECF8_RETURN_IF_ERROR(
        CudaStatus(cuda, cuda.GetDeviceTraits(device, &traits), "cudaGetDeviceProperties", device));
    common.virtual_memory = common.virtual_memory && traits.virtual_memory;
  }
  return common;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceMemory>> DeviceMemory::Create(
    CudaCalls& cuda, const DeviceMemoryOptions& options) {
  assert(!options.devices.empty() && options.block_bytes > 0);
  std::unique_ptr<DeviceMemory> memory(new DeviceMemory(cuda, options));
  const uint64_t shares = options.devices.size();
  memory->device_bytes_ = options.size_bytes / shares / options.block_bytes * options.block_bytes;
  if (memory->device_bytes_ == 0) return memory;
  ECF8_ASSIGN_OR_RETURN(const CudaDeviceTraits traits, CommonTraits(cuda, options.devices));
  if (!traits.virtual_memory) {
    ECF8_RETURN_IF_ERROR(memory->Allocate(options));
    return memory;
  }
  ECF8_RETURN_IF_ERROR(memory->MapVirtual(options));
  return memory;
}

absl::Status DeviceMemory::MapVirtual(const DeviceMemoryOptions& options) {
  const int first = devices_.front();
  uint64_t granularity = 1;
  for (const int device : devices_) {
    uint64_t of_device = 0;
    ECF8_RETURN_IF_ERROR(CudaStatus(
        cuda_, cuda_.MemGetAllocationGranularity(device, /*exportable=*/false, &of_device),
        "cuMemGetAllocationGranularity", device));
    granularity = std::max(granularity, of_device);
  }
  // Where one device's share ends the next one's begins: no part of a page is left out.
  if (devices_.size() > 1) device_bytes_ = device_bytes_ / granularity * granularity;
  if (device_bytes_ == 0) return absl::OkStatus();
  // What comes and goes is a block; what does not may as well be one piece for each device.
  resizable_ = options.resizable && devices_.size() == 1 && options.block_bytes % granularity == 0;
  const uint64_t wanted = resizable_ ? options.block_bytes : device_bytes_;
  block_bytes_ = (wanted + granularity - 1) / granularity * granularity;
  device_blocks_ = (device_bytes_ + block_bytes_ - 1) / block_bytes_;
  const uint64_t reserved_bytes = device_blocks_ * block_bytes_ * devices_.size();
  uint8_t* address_dev = nullptr;
  ECF8_RETURN_IF_ERROR(CudaStatus(cuda_, cuda_.MemAddressReserve(reserved_bytes, &address_dev),
                                  "cuMemAddressReserve", first));
  reserved_dev_ = {address_dev, reserved_bytes};
  ECF8_RETURN_IF_ERROR(MapBlocks(device_blocks_ * devices_.size()));
  memory_dev_ = reserved_dev_.first(device_bytes_ * devices_.size());
  return absl::OkStatus();
}

// Those that have come stay where the next does not; all of them can be used.
absl::Status DeviceMemory::MapBlocks(uint64_t count) {
  const uint64_t before = blocks_;
  absl::Status status;
  while (status.ok() && blocks_ < before + count) status = MapBlock();
  if (blocks_ == before) return status;
  const absl::Status opened =
      CudaStatus(cuda_,
                 cuda_.MemSetAccess(reserved_dev_.data() + before * block_bytes_,
                                    (blocks_ - before) * block_bytes_, devices_),
                 "cuMemSetAccess", devices_.front());
  if (opened.ok()) return status;
  while (blocks_ > before) UnmapBlock();
  return opened;
}

absl::Status DeviceMemory::MapBlock() {
  const uint64_t offset_bytes = blocks_ * block_bytes_;
  const int device = devices_[blocks_ / device_blocks_];
  CudaMemoryHandle handle = 0;
  ECF8_RETURN_IF_ERROR(CudaStatus(
      cuda_, cuda_.MemCreate(device, block_bytes_, /*exportable=*/false, &handle),
      absl::StrCat("cuMemCreate of ", FormatBytes(block_bytes_), " at ", FormatBytes(offset_bytes)),
      device));
  const absl::Status mapped =
      CudaStatus(cuda_, cuda_.MemMap(reserved_dev_.data() + offset_bytes, block_bytes_, handle),
                 "cuMemMap", device);
  // The mapping keeps it.
  (void)cuda_.MemRelease(handle);
  ECF8_RETURN_IF_ERROR(mapped);
  ++blocks_;
  return absl::OkStatus();
}

void DeviceMemory::UnmapBlock() {
  --blocks_;
  (void)cuda_.MemUnmap(reserved_dev_.data() + blocks_ * block_bytes_, block_bytes_);
}

absl::Status DeviceMemory::Resize(uint64_t size_bytes) {
  assert(resizable_ && size_bytes % block_bytes_ == 0 && size_bytes <= memory_dev_.size());
  const uint64_t wanted = size_bytes / block_bytes_;
  while (blocks_ > wanted) UnmapBlock();
  return blocks_ < wanted ? MapBlocks(wanted - blocks_) : absl::OkStatus();
}

absl::Status DeviceMemory::Allocate(const DeviceMemoryOptions& options) {
  const int device = devices_.front();
  if (devices_.size() > 1) {
    return absl::UnimplementedError(
        "several GPUs need virtual memory management, which not all of them have");
  }
  ECF8_RETURN_IF_ERROR(CudaStatus(cuda_, cuda_.SetDevice(device), "cudaSetDevice", device));
  ECF8_RETURN_IF_ERROR(CudaStatus(cuda_, cuda_.Malloc(device_bytes_ + kAlignment, &allocated_dev_),
                                  absl::StrCat("cudaMalloc of ", FormatBytes(options.size_bytes)),
                                  device));
  const uint64_t past = reinterpret_cast<uintptr_t>(allocated_dev_) % kAlignment;
  memory_dev_ = {allocated_dev_ + (past == 0 ? 0 : kAlignment - past), device_bytes_};
  return absl::OkStatus();
}

// Errors have nowhere to go, and a lost device gives its memory back by itself.
DeviceMemory::~DeviceMemory() {
  if (allocated_dev_ != nullptr) {
    (void)cuda_.SetDevice(devices_.front());
    (void)cuda_.Free(allocated_dev_);
  }
  while (blocks_ > 0) UnmapBlock();
  if (!reserved_dev_.empty()) {
    (void)cuda_.MemAddressFree(reserved_dev_.data(), reserved_dev_.size());
  }
}

int DeviceMemory::DeviceOf(const uint8_t* at_dev) const {
  const auto offset = static_cast<uint64_t>(at_dev - memory_dev_.data());
  assert(offset < memory_dev_.size());
  return devices_[offset / device_bytes_];
}

uint64_t DeviceMemory::BytesOnDevice(const uint8_t* at_dev) const {
  const auto offset = static_cast<uint64_t>(at_dev - memory_dev_.data());
  return device_bytes_ - offset % device_bytes_;
}

bool DeviceMemory::StartsDevice(const uint8_t* at_dev) const {
  return at_dev > memory_dev_.data() && at_dev < memory_dev_.data() + memory_dev_.size() &&
         BytesOnDevice(at_dev) == device_bytes_;
}

}  // namespace ecf8
