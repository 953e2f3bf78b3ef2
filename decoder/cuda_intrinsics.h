// What CUDA kernels need of the hardware that CUDA C++ has no words for: the one file with inline
// PTX. Where the kernel is compiled for the CPU (tests/emulation), the include path has a
// cuda_intrinsics_host.h with functions of the same names.
//
// Shared memory is known by its address in it, 32 bits. Through these functions alone is it read
// and written: so the emulation sees every access.
#ifndef ECF8_DECODER_CUDA_INTRINSICS_H_
#define ECF8_DECODER_CUDA_INTRINSICS_H_

#if !defined(__CUDACC__)
#include "cuda_intrinsics_host.h"
#else

#include <cstdint>

namespace ecf8 {

inline constexpr unsigned kWholeWarp = 0xFFFFFFFF;

// Address of the block's dynamic shared memory, a multiple of 16.
__device__ __forceinline__ uint32_t SharedMemory() {
  extern __shared__ __align__(16) uint8_t dynamic_shared_memory[];
  return static_cast<uint32_t>(__cvta_generic_to_shared(dynamic_shared_memory));
}

// Volatile, so that none is moved across a barrier.
__device__ __forceinline__ uint32_t LoadShared8(uint32_t address) {
  uint32_t value;
  asm volatile("ld.shared.u8 %0, [%1];" : "=r"(value) : "r"(address));
  return value;
}
__device__ __forceinline__ uint32_t LoadShared16(uint32_t address) {
  uint16_t value;
  asm volatile("ld.shared.u16 %0, [%1];" : "=h"(value) : "r"(address));
  return value;
}
__device__ __forceinline__ uint32_t LoadShared32(uint32_t address) {
  uint32_t value;
  asm volatile("ld.shared.u32 %0, [%1];" : "=r"(value) : "r"(address));
  return value;
}
__device__ __forceinline__ void StoreShared8(uint32_t address, uint32_t value) {
  asm volatile("st.shared.u8 [%0], %1;" ::"r"(address), "r"(value) : "memory");
}
__device__ __forceinline__ void StoreShared32(uint32_t address, uint32_t value) {
  asm volatile("st.shared.u32 [%0], %1;" ::"r"(address), "r"(value) : "memory");
}
__device__ __forceinline__ void StoreShared64(uint32_t address, uint2 value) {
  asm volatile("st.shared.v2.u32 [%0], {%1, %2};" ::"r"(address), "r"(value.x), "r"(value.y)
               : "memory");
}
__device__ __forceinline__ void StoreShared128(uint32_t address, uint4 value) {
  asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(value.x),
               "r"(value.y), "r"(value.z), "r"(value.w)
               : "memory");
}

// Loads that stay behind the stores before them (see DecodeGroups): so not by the path for
// constants. With no hint to the caches: of one that says that the bytes are read once, an H100's
// L2 makes that their lines go first, also before the warp has had the rest of them (docs/GPU.md).
__device__ __forceinline__ uint32_t LoadGlobal32(const uint8_t* address_dev) {
  uint32_t value;
  asm volatile("ld.global.u32 %0, [%1];" : "=r"(value) : "l"(address_dev) : "memory");
  return value;
}
__device__ __forceinline__ uint2 LoadGlobal64(const uint8_t* address_dev) {
  uint2 value;
  asm volatile("ld.global.v2.u32 {%0, %1}, [%2];"
               : "=r"(value.x), "=r"(value.y)
               : "l"(address_dev)
               : "memory");
  return value;
}
__device__ __forceinline__ uint4 LoadGlobal128(const uint8_t* address_dev) {
  uint4 value;
  asm volatile("ld.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w)
               : "l"(address_dev)
               : "memory");
  return value;
}
__device__ __forceinline__ void StoreGlobal128(uint8_t* address_dev, uint4 value) {
  asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(address_dev), "r"(value.x),
               "r"(value.y), "r"(value.z), "r"(value.w)
               : "memory");
}
__device__ __forceinline__ void StoreGlobal8(uint8_t* address_dev, uint32_t value) {
  asm volatile("st.global.u8 [%0], %1;" ::"l"(address_dev), "r"(value) : "memory");
}

// Begins to bring the byte's line into the L2 cache.
__device__ __forceinline__ void PrefetchGlobal(const uint8_t* address_dev) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(address_dev));
}

// The lanes below this one, as a ballot has them. Volatile: read once.
__device__ __forceinline__ uint32_t LanesBelow() {
  uint32_t mask;
  asm volatile("mov.u32 %0, %%lanemask_lt;" : "=r"(mask));
  return mask;
}

// `value`, of which the compiler is not to know how it was computed: else it does that again in a
// loop rather than give it a register.
__device__ __forceinline__ uint32_t Opaque(uint32_t value) {
  asm volatile("" : "+r"(value));
  return value;
}

}  // namespace ecf8

#endif  // defined(__CUDACC__)

#endif  // ECF8_DECODER_CUDA_INTRINSICS_H_
