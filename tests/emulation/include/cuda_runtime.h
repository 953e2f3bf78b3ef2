// CUDA's words and the part of its runtime that our kernels use, for the CPU: a kernel that
// includes this instead of the toolkit's header runs in the emulator. See docs/TESTING.md.
#ifndef ECF8_TESTS_EMULATION_INCLUDE_CUDA_RUNTIME_H_
#define ECF8_TESTS_EMULATION_INCLUDE_CUDA_RUNTIME_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>

#include "tests/emulation/warp_emulator.h"

#define __device__
#define __host__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct uint2 {
  uint32_t x, y;
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
inline uint2 make_uint2(uint32_t x, uint32_t y) { return {x, y}; }
inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w) { return {x, y, z, w}; }

using dim3 = ecf8::emulation::Dim3;
// Of the thread that runs. Macros, as only a macro can make a variable of a call.
#define threadIdx (::ecf8::emulation::ThreadIndex())
#define blockIdx (::ecf8::emulation::BlockIndex())
#define blockDim (::ecf8::emulation::BlockDim())

using std::min;

// Arithmetic.
inline int __popc(uint32_t value) { return std::popcount(value); }
inline uint32_t __byte_perm(uint32_t low, uint32_t high, uint32_t selector) {
  const uint64_t bytes = uint64_t{high} << 32 | low;
  uint32_t result = 0;
  for (int i = 0; i < 4; ++i) {
    const uint32_t nibble = selector >> (4 * i) & 15;
    const auto byte = static_cast<uint32_t>(bytes >> (8 * (nibble & 7)) & 0xFF);
    // The fourth bit of a nibble asks for the byte's sign in all bits.
    result |= ((nibble & 8) != 0 ? 0xFFu * (byte >> 7) : byte) << (8 * i);
  }
  return result;
}
inline uint32_t __funnelshift_r(uint32_t low, uint32_t high, uint32_t shift) {
  return static_cast<uint32_t>((uint64_t{high} << 32 | low) >> (shift & 31));
}
inline uint32_t __funnelshift_l(uint32_t low, uint32_t high, uint32_t shift) {
  return static_cast<uint32_t>((uint64_t{high} << 32 | low) << (shift & 31) >> 32);
}

// Collectives.
inline void __syncthreads() { ecf8::emulation::SyncThreads(); }
inline void __syncwarp(uint32_t mask = 0xFFFFFFFF) {
  ecf8::emulation::Collective(ecf8::emulation::CollectiveKind::kSync, mask, 0, 0);
}
inline uint32_t __ballot_sync(uint32_t mask, bool predicate) {
  using ecf8::emulation::CollectiveKind;
  return ecf8::emulation::Collective(CollectiveKind::kBallot, mask, predicate ? 1 : 0, 0);
}
inline bool __any_sync(uint32_t mask, bool predicate) {
  using ecf8::emulation::CollectiveKind;
  return ecf8::emulation::Collective(CollectiveKind::kAny, mask, predicate ? 1 : 0, 0) != 0;
}
inline uint32_t __shfl_sync(uint32_t mask, uint32_t value, uint32_t lane) {
  return ecf8::emulation::Collective(ecf8::emulation::CollectiveKind::kShuffle, mask, value, lane);
}
inline uint32_t __reduce_or_sync(uint32_t mask, uint32_t value) {
  return ecf8::emulation::Collective(ecf8::emulation::CollectiveKind::kReduceOr, mask, value, 0);
}

// The runtime.
enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorLaunchFailure = 719,
};
enum cudaDeviceAttr {
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
  cudaDevAttrReservedSharedMemoryPerBlock = 111,
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
struct cudaFuncAttributes {
  int maxThreadsPerBlock;
};
using cudaStream_t = struct CUstream_st*;

inline cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int /*device*/) {
  const ecf8::emulation::DeviceProperties& device = ecf8::emulation::Device();
  *value = attribute == cudaDevAttrMultiProcessorCount            ? device.multiprocessors
           : attribute == cudaDevAttrMaxSharedMemoryPerBlockOptin ? device.shared_bytes
                                                                  : device.reserved_shared_bytes;
  return cudaSuccess;
}
template <typename Kernel>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, Kernel* /*kernel*/) {
  attributes->maxThreadsPerBlock = ecf8::emulation::Device().max_threads;
  return cudaSuccess;
}
template <typename Kernel>
cudaError_t cudaFuncSetAttribute(Kernel* /*kernel*/, cudaFuncAttribute /*attribute*/, int value) {
  return value <= ecf8::emulation::Device().shared_bytes ? cudaSuccess
                                                         : cudaErrorInvalidConfiguration;
}
template <typename Kernel>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Kernel* /*kernel*/,
                                                          int /*threads*/, size_t /*shared*/) {
  *blocks = 1;
  return cudaSuccess;
}

// Runs the kernel before it returns, block after block.
template <typename... Parameters>
cudaError_t cudaLaunchKernel(void (*kernel)(Parameters...), dim3 grid, dim3 block, void** arguments,
                             size_t shared_bytes, cudaStream_t /*stream*/) {
  const auto call = [&]<size_t... kIndex>(std::index_sequence<kIndex...>) {
    using Tuple = std::tuple<Parameters...>;
    return ecf8::emulation::Launch(grid, block, shared_bytes, [&] {
      kernel(*static_cast<std::tuple_element_t<kIndex, Tuple>*>(arguments[kIndex])...);
    });
  };
  return call(std::index_sequence_for<Parameters...>()) ? cudaSuccess : cudaErrorLaunchFailure;
}

#endif  // ECF8_TESTS_EMULATION_INCLUDE_CUDA_RUNTIME_H_
