// The reference's kind of kernel, to measure beside ours: every thread counts the words that begin
// in its window, a sum over the block tells each where its weights go, and all is decoded again.
// The look-up tables and the block's exponents are in shared memory, as DFloat11's paper has them.
#include <cuda_runtime.h>

#include <cstdint>

#include "decoder/cuda_intrinsics.h"
#include "tools/gpu_bench/two_pass_code.h"
#include "tools/gpu_bench/two_pass_cuda.h"

namespace ecf8 {
namespace {

constexpr uint32_t kWindowBits = kTwoPassWindowBytes * 8;
constexpr uint32_t kCountsBytes = kTwoPassThreads * sizeof(uint32_t);

__device__ __forceinline__ uint64_t LoadNumber(const uint8_t* address_dev) {
  const uint2 halves = LoadGlobal64(address_dev);
  return uint64_t{halves.y} << 32 | halves.x;
}

__device__ __forceinline__ uint32_t LoadNibble(const uint8_t* nibbles_dev, uint64_t number) {
  return LoadGlobal32(nibbles_dev + number / 8 * 4) >> number % 8 * 4 & 15;
}

// A thread's window and what follows it, most significant bit first.
class Window {
 public:
  __device__ explicit Window(const uint8_t* words_dev) {
    const uint2 own = LoadGlobal64(words_dev);
    first_ = Reversed(own.x);
    second_ = Reversed(own.y);
    next_ = Reversed(LoadGlobal32(words_dev + kTwoPassWindowBytes));
  }

  // The exponent of the word that begins at `bit`, below kWindowBits; moves `bit` behind it.
  __device__ __forceinline__ uint32_t Decode(uint32_t luts, uint32_t lengths, uint32_t* bit) const {
    const bool late = *bit >= 32;
    const uint32_t bits =
        __funnelshift_l(late ? next_ : second_, late ? second_ : first_, *bit % 32) >> 16;
    uint32_t entry = LoadShared8(luts + (bits >> 8));
    if (entry >= kTwoPassNextTable) {
      entry = LoadShared8(luts + (entry - kTwoPassNextTable) * 256 + (bits & 0xFF));
    }
    *bit += LoadShared8(lengths + entry);
    return entry;
  }

 private:
  static __device__ __forceinline__ uint32_t Reversed(uint32_t word) {
    return __byte_perm(word, 0, 0x0123);
  }

  uint32_t first_;
  uint32_t second_;
  uint32_t next_;
};

// The sum of `count` over the threads before this one, by Blelloch's scan in shared memory.
__device__ __forceinline__ uint32_t SumBefore(uint32_t count, uint32_t thread, uint32_t counts) {
  const auto at = [counts](uint32_t number) {
    return counts + number * uint32_t{sizeof(uint32_t)};
  };
  StoreShared32(at(thread), count);
  for (uint32_t step = 1; step < kTwoPassThreads; step *= 2) {
    __syncthreads();
    const uint32_t right = (thread + 1) * 2 * step - 1;
    if (right < kTwoPassThreads) {
      StoreShared32(at(right), LoadShared32(at(right)) + LoadShared32(at(right - step)));
    }
  }
  // It has written there last.
  if (thread == 0) StoreShared32(at(kTwoPassThreads - 1), 0);
  for (uint32_t step = kTwoPassThreads / 2; step > 0; step /= 2) {
    __syncthreads();
    const uint32_t right = (thread + 1) * 2 * step - 1;
    if (right < kTwoPassThreads) {
      const uint32_t left = LoadShared32(at(right - step));
      const uint32_t sum = LoadShared32(at(right));
      StoreShared32(at(right - step), sum);
      StoreShared32(at(right), sum + left);
    }
  }
  __syncthreads();
  return LoadShared32(at(thread));
}

__global__ void __launch_bounds__(kTwoPassThreads) DecodeTwoPass(TwoPassWork work) {
  const uint32_t thread = threadIdx.x;
  const uint32_t luts = SharedMemory();
  const uint32_t lengths = luts + work.luts_bytes - kTwoPassLengthsBytes;
  const uint32_t counts = luts + work.luts_bytes;
  const uint32_t exponents = counts + kCountsBytes;
  for (uint32_t at = thread * sizeof(uint4); at < work.luts_bytes;
       at += kTwoPassThreads * sizeof(uint4)) {
    StoreShared128(luts + at, LoadGlobal128(work.luts_dev + at));
  }
  const uint64_t number = uint64_t{blockIdx.x} * kTwoPassThreads + thread;
  const Window window(work.words_dev + number * kTwoPassWindowBytes);
  const uint32_t gap = LoadNibble(work.gaps_dev, number);
  const uint64_t begin = LoadNumber(work.first_dev + uint64_t{blockIdx.x} * sizeof(uint64_t));
  const auto weights = static_cast<uint32_t>(
      LoadNumber(work.first_dev + (uint64_t{blockIdx.x} + 1) * sizeof(uint64_t)) - begin);
  __syncthreads();
  uint32_t count = 0;
  for (uint32_t bit = gap; bit < kWindowBits; ++count) window.Decode(luts, lengths, &bit);
  uint32_t to = SumBefore(count, thread, counts);
  // Behind the last weight there are bits that are no words.
  for (uint32_t bit = gap; bit < kWindowBits && to < weights; ++to) {
    StoreShared8(exponents + to, window.Decode(luts, lengths, &bit));
  }
  __syncthreads();
  for (uint32_t i = thread; i < weights; i += kTwoPassThreads) {
    const uint32_t raw = LoadNibble(work.raw_dev, begin + i);
    StoreGlobal8(work.out_dev + begin + i,
                 (raw & 8) << 4 | LoadShared8(exponents + i) << 3 | (raw & 7));
  }
}

}  // namespace

int LaunchTwoPassDecode(const TwoPassWork& work, void* stream) {
  TwoPassWork argument = work;
  void* arguments[] = {&argument};
  return cudaLaunchKernel(&DecodeTwoPass, dim3(work.block_count), dim3(kTwoPassThreads), arguments,
                          work.luts_bytes + kCountsBytes + work.max_block_weights,
                          static_cast<cudaStream_t>(stream));
}

}  // namespace ecf8
