#include "tests/emulation/device_memory.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>

#include "absl/types/span.h"
#include "tests/emulation/warp_emulator.h"

namespace ecf8::emulation {
namespace {

constexpr size_t kAlignment = 256;

struct Region {
  uintptr_t begin;
  uintptr_t end;
  bool writable;
};

// By address of the first byte.
std::map<uintptr_t, Region>& Regions() {
  static auto& regions = *new std::map<uintptr_t, Region>;
  return regions;
}

// What was used last: accesses come in runs.
Region recent = {0, 0, false};

void Check(const uint8_t* pointer, size_t size, GlobalAccess access) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  if (address < recent.begin || address + size > recent.end) {
    const auto next = Regions().upper_bound(address);
    if (next == Regions().begin() || address + size > std::prev(next)->second.end) {
      FailLaunch(access == GlobalAccess::kStore  ? "store to global memory out of bounds"
                 : access == GlobalAccess::kLoad ? "load of global memory out of bounds"
                                                 : "prefetch of global memory out of bounds");
    }
    recent = std::prev(next)->second;
  }
  if (access == GlobalAccess::kStore && !recent.writable)
    FailLaunch("store to global memory that is only read");
  if (address % size != 0)
    FailLaunch("global access at an address that is no multiple of its size");
  CountGlobal(address, size, access);
}

}  // namespace

DeviceBuffer::DeviceBuffer(size_t size, Access access, size_t offset) : size_(size) {
  if (posix_memalign(&memory_, kAlignment, std::max<size_t>(offset + size, 1)) != 0) std::abort();
  data_ = static_cast<uint8_t*>(memory_) + offset;
  const auto begin = reinterpret_cast<uintptr_t>(data_);
  Regions()[begin] = {begin, begin + size, access == Access::kReadWrite};
}

DeviceBuffer::DeviceBuffer(absl::Span<const uint8_t> bytes, Access access, size_t offset)
    : DeviceBuffer(bytes.size(), access, offset) {
  std::copy(bytes.begin(), bytes.end(), data_);
}

DeviceBuffer::~DeviceBuffer() {
  Regions().erase(reinterpret_cast<uintptr_t>(data_));
  recent = {0, 0, false};
  std::free(memory_);
}

void LoadGlobal(const uint8_t* address, void* value, size_t size) {
  Check(address, size, GlobalAccess::kLoad);
  std::memcpy(value, address, size);
}

void StoreGlobal(uint8_t* address, const void* value, size_t size) {
  Check(address, size, GlobalAccess::kStore);
  std::memcpy(address, value, size);
}

void PrefetchGlobal(const uint8_t* address) { Check(address, 1, GlobalAccess::kPrefetch); }

}  // namespace ecf8::emulation
