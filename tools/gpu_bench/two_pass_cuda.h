// The kernel that decodes TwoPassCode: a peer for measurements.
#ifndef ECF8_TOOLS_GPU_BENCH_TWO_PASS_CUDA_H_
#define ECF8_TOOLS_GPU_BENCH_TWO_PASS_CUDA_H_

#include <cstdint>

namespace ecf8 {

// The parts of a TwoPassCode in device memory, each on a multiple of 16. The kernel believes what
// they say: they come from EncodeTwoPass.
struct TwoPassWork {
  const uint8_t* words_dev;  // followed by 4 bytes, which may be anything
  const uint8_t* gaps_dev;
  const uint8_t* raw_dev;
  const uint8_t* first_dev;
  const uint8_t* luts_dev;
  uint8_t* out_dev;
  uint32_t luts_bytes;
  uint32_t max_block_weights;
  uint32_t block_count;  // at least 1
};

// Puts the decoding of `work` in the stream (a cudaStream_t) of the current device: a cudaError_t,
// 0 for success, of the launch alone. What work points to must stay until the stream is past it.
// Thread-safe.
int LaunchTwoPassDecode(const TwoPassWork& work, void* stream);

}  // namespace ecf8

#endif  // ECF8_TOOLS_GPU_BENCH_TWO_PASS_CUDA_H_
