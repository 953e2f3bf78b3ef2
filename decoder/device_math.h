// Arithmetic that a GPU does in one instruction if it is told to; with the same on the CPU beside
// it.
#ifndef ECF8_DECODER_DEVICE_MATH_H_
#define ECF8_DECODER_DEVICE_MATH_H_

#include <cstdint>

#include "decoder/host_device.h"

namespace ecf8 {

// The bits of `a` where `mask` is set, those of `b` elsewhere.
ECF8_HOST_DEVICE constexpr uint64_t SelectBits(uint64_t mask, uint64_t a, uint64_t b) {
  return (a & mask) | (b & ~mask);
}
ECF8_HOST_DEVICE constexpr uint32_t SelectBits(uint32_t mask, uint32_t a, uint32_t b) {
#if defined(__CUDA_ARCH__)
  uint32_t selected = 0;
  asm("lop3.b32 %0, %1, %2, %3, 0xCA;" : "=r"(selected) : "r"(mask), "r"(a), "r"(b));
  return selected;
#else
  return (a & mask) | (b & ~mask);
#endif
}

// value - (word & 0xFF), as a product of bytes.
ECF8_HOST_DEVICE inline int32_t SubtractLowByte(int32_t value, uint32_t word) {
#if defined(__CUDA_ARCH__)
  return __dp4a(static_cast<int32_t>(word), 0x000000FF, value);  // -1, 0, 0, 0
#else
  return value - static_cast<int32_t>(word & 0xFF);
#endif
}

}  // namespace ecf8

#endif  // ECF8_DECODER_DEVICE_MATH_H_
