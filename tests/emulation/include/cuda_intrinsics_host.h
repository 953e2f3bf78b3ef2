// The functions of decoder/cuda_intrinsics.h for the emulator.
#ifndef ECF8_TESTS_EMULATION_INCLUDE_CUDA_INTRINSICS_HOST_H_
#define ECF8_TESTS_EMULATION_INCLUDE_CUDA_INTRINSICS_HOST_H_

#include <cuda_runtime.h>

#include <cstdint>

#include "tests/emulation/device_memory.h"
#include "tests/emulation/warp_emulator.h"

namespace ecf8 {

inline constexpr unsigned kWholeWarp = 0xFFFFFFFF;

inline uint32_t SharedMemory() { return emulation::SharedMemoryBegin(); }

inline uint32_t LoadShared8(uint32_t address) {
  uint8_t value = 0;
  emulation::LoadShared(address, &value, sizeof(value));
  return value;
}
inline uint32_t LoadShared16(uint32_t address) {
  uint16_t value = 0;
  emulation::LoadShared(address, &value, sizeof(value));
  return value;
}
inline uint32_t LoadShared32(uint32_t address) {
  uint32_t value = 0;
  emulation::LoadShared(address, &value, sizeof(value));
  return value;
}
inline void StoreShared8(uint32_t address, uint32_t value) {
  const auto byte = static_cast<uint8_t>(value);
  emulation::StoreShared(address, &byte, sizeof(byte));
}
inline void StoreShared32(uint32_t address, uint32_t value) {
  emulation::StoreShared(address, &value, sizeof(value));
}
inline void StoreShared64(uint32_t address, uint2 value) {
  emulation::StoreShared(address, &value, sizeof(value));
}
inline void StoreShared128(uint32_t address, uint4 value) {
  emulation::StoreShared(address, &value, sizeof(value));
}

inline uint32_t LoadGlobal32(const uint8_t* address_dev) {
  uint32_t value = 0;
  emulation::LoadGlobal(address_dev, &value, sizeof(value));
  return value;
}
inline uint2 LoadGlobal64(const uint8_t* address_dev) {
  uint2 value = {};
  emulation::LoadGlobal(address_dev, &value, sizeof(value));
  return value;
}
inline uint4 LoadGlobal128(const uint8_t* address_dev) {
  uint4 value = {};
  emulation::LoadGlobal(address_dev, &value, sizeof(value));
  return value;
}
inline void PrefetchGlobal(const uint8_t* address_dev) { emulation::PrefetchGlobal(address_dev); }
inline void StoreGlobal128(uint8_t* address_dev, uint4 value) {
  emulation::StoreGlobal(address_dev, &value, sizeof(value));
}
inline void StoreGlobal8(uint8_t* address_dev, uint32_t value) {
  const auto byte = static_cast<uint8_t>(value);
  emulation::StoreGlobal(address_dev, &byte, sizeof(byte));
}

inline uint32_t LanesBelow() { return (1u << threadIdx.x % 32) - 1; }

inline uint32_t Opaque(uint32_t value) { return value; }

}  // namespace ecf8

#endif  // ECF8_TESTS_EMULATION_INCLUDE_CUDA_INTRINSICS_HOST_H_
