// Memory of the emulated device: every access of a kernel is looked up.
#ifndef ECF8_TESTS_EMULATION_DEVICE_MEMORY_H_
#define ECF8_TESTS_EMULATION_DEVICE_MEMORY_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace ecf8::emulation {

// Memory of exactly `size` bytes that kernels may use while the object lives; it begins `offset`
// bytes behind a multiple of 256.
class DeviceBuffer {
 public:
  enum class Access { kRead, kReadWrite };

  DeviceBuffer(size_t size, Access access, size_t offset = 0);
  // Holds a copy of the bytes.
  DeviceBuffer(absl::Span<const uint8_t> bytes, Access access, size_t offset = 0);
  ~DeviceBuffer();
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  uint8_t* data() { return data_; }
  absl::Span<uint8_t> span() { return {data_, size_}; }

 private:
  void* memory_ = nullptr;
  uint8_t* data_;
  size_t size_;
};

// An access of the thread that runs. Ends the launch with an error if no buffer holds all of the
// bytes, it may not be written, or the address is no multiple of the size.
void LoadGlobal(const uint8_t* address, void* value, size_t size);
void StoreGlobal(uint8_t* address, const void* value, size_t size);
// A GPU would do nothing out of bounds; here it is an error like a load's.
void PrefetchGlobal(const uint8_t* address);

}  // namespace ecf8::emulation

#endif  // ECF8_TESTS_EMULATION_DEVICE_MEMORY_H_
