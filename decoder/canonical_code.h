// A code table as SIMD decoders use it, without a look-up by 12 bits.
//
// Codes of one length are consecutive numbers and, aligned at the left, those of longer codes are
// larger. So the length of the code at the top of a window follows from comparisons with one limit
// a length, its rank among all codes from a shift and an addition, and its symbol from a look-up
// by rank that nothing waits for (A. Moffat and A. Turpin, "On the implementation of minimum
// redundancy prefix codes", IEEE Trans. Comm. 45(10), 1997). That is a dozen vector operations,
// where a gather takes 2.5 cycles an element.
#ifndef ECF8_DECODER_CANONICAL_CODE_H_
#define ECF8_DECODER_CANONICAL_CODE_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "decoder/format.h"

namespace ecf8 {

class CodeTable;

// Windows are 16 bits here, the next bit first. Every window starts with a code: codes are
// complete.
struct alignas(64) CanonicalCode {
  static constexpr int kWindowBits = 16;
  static constexpr int kPrefixBits = 7;

  CanonicalCode(Codec codec, const CodeTable& table);

  // E5M2: the exponents of a group. Rank j of lane l is ranks[j * kLaneCount + l]; its exponents go
  // to exponents[l * kLaneSymbols + j].
  void LookUpExponents(const uint16_t* ranks, uint16_t* to) const;

  // By the window's first kPrefixBits bits: 16 - length of its code, or of a longer code than that
  // 16 - (kPrefixBits + 1).
  std::array<uint8_t, size_t{1} << kPrefixBits> prefix_shifts{};
  // By 16 - length: what to add to the code to have its rank.
  alignas(64) std::array<uint16_t, 32> rank_offsets{};
  // The same by length, the low and the high bytes.
  std::array<uint8_t, 16> rank_offsets_low{};
  std::array<uint8_t, 16> rank_offsets_high{};
  // The window's code is longer than l (1 to 11) if window >> 1 > limits[l], as signed numbers.
  // (Halved, as 0 to 65536 do not fit.) In every element, as AVX2 broadcasts words slowly.
  alignas(64) std::array<std::array<int16_t, 16>, kMaxCodeLength> limits{};
  // By the window's first four bits: the length of its code, or 5 if it is longer than 4.
  std::array<uint8_t, 16> lengths_by_four{};
  // The length of a code that is longer than none of the limits' lengths: 1, or 0 for an empty
  // code.
  uint8_t shortest = 1;

  // E4M3: symbols by rank.
  std::array<uint8_t, 256> symbols{};
  // E5M2: by rank, the exponents of weight j and j + 8 in the low and the high byte, each where an
  // E5M2 byte has it.
  std::array<uint16_t, 1024> exponents{};
};

}  // namespace ecf8

#endif  // ECF8_DECODER_CANONICAL_CODE_H_
