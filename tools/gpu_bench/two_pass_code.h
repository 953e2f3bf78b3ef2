// Weights in the form that the reference's kind of decoder reads, to measure it beside ours.
// Written from what the papers of ECF8 and DFloat11 say of theirs, not from their code:
//
// - one Huffman code for the exponents of a tensor, its words one after the other, most significant
//   bit first;
// - a thread decodes the words that begin in its window of 8 bytes; a gap of 4 bits says where in
//   the window the first of them begins;
// - a block of threads has the number of its first weight; where each thread's weights go, the
//   block finds out by decoding twice (two_pass_cuda.cu);
// - look-up tables of 256 entries, for 8 bits each: a word that is longer goes on in another table;
// - sign and mantissa are a nibble a weight.
#ifndef ECF8_TOOLS_GPU_BENCH_TWO_PASS_CODE_H_
#define ECF8_TOOLS_GPU_BENCH_TWO_PASS_CODE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace ecf8 {

inline constexpr uint32_t kTwoPassWindowBytes = 8;
inline constexpr uint32_t kTwoPassThreads = 256;  // of a block
inline constexpr uint32_t kTwoPassBlockBytes = kTwoPassThreads * kTwoPassWindowBytes;
inline constexpr int kTwoPassMaxCodeLength = 16;
// An entry of a look-up table is an exponent, or this and the number of the table to go on in.
inline constexpr uint8_t kTwoPassNextTable = 0x80;
// Behind the tables: the code length of each exponent.
inline constexpr uint32_t kTwoPassLengthsBytes = 16;

struct TwoPassCode {
  uint64_t weights = 0;
  std::vector<uint8_t> words;   // kTwoPassBlockBytes a block
  std::vector<uint8_t> gaps;    // a nibble a window, the first in the low one
  std::vector<uint8_t> raw;     // sign << 3 | mantissa, likewise; whole words of 4 bytes
  std::vector<uint64_t> first;  // the number of each block's first weight; then `weights`
  std::vector<uint8_t> luts;    // tables and lengths, a multiple of 16

  size_t block_count() const { return first.size() - 1; }
  uint32_t max_block_weights() const;
  // All that is kept of the weights.
  size_t stored_bytes() const;
};

// `weights` are E4M3.
TwoPassCode EncodeTwoPass(absl::Span<const uint8_t> weights);

}  // namespace ecf8

#endif  // ECF8_TOOLS_GPU_BENCH_TWO_PASS_CODE_H_
