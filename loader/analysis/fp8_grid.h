// The numbers that FP8 bytes stand for, and which real numbers round to them.
#ifndef ECF8_LOADER_ANALYSIS_FP8_GRID_H_
#define ECF8_LOADER_ANALYSIS_FP8_GRID_H_

#include <cstddef>
#include <cstdint>

#include "decoder/format.h"

namespace ecf8 {

// A format with a sign in bit 7, then exponent, then mantissa; its lower 7 bits are the *code* of a
// magnitude, and magnitudes rise with their codes.
struct Fp8Grid {
  int exponent_bits;
  int mantissa_bits;
  int bias;
  uint8_t max_code;  // of the largest finite magnitude

  size_t exponent_count() const { return size_t{1} << exponent_bits; }
  size_t Exponent(uint8_t byte) const { return static_cast<size_t>(byte & 0x7F) >> mantissa_bits; }

  // Of a code up to max_code.
  double Magnitude(uint8_t code) const;

  // Where rounding to nearest changes from `code` to the next one; infinity from max_code on, as
  // larger numbers saturate.
  double UpperEdge(uint8_t code) const;

  // The least magnitude that rounds to a number whose exponent field is `exponent`.
  double ExponentLowerEdge(size_t exponent) const;
};

// `codec` must not be kRaw. E4M3 is the variant of OCP's FP8 specification without infinities,
// torch.float8_e4m3fn: its largest number is 448. E5M2 is IEEE-like.
const Fp8Grid& GridOf(Codec codec);

// The E4M3 byte of `value`, rounded to nearest even; what is too large becomes +-448, NaN 0x7F or
// 0xFF.
uint8_t CastToE4M3(float value);

}  // namespace ecf8

#endif  // ECF8_LOADER_ANALYSIS_FP8_GRID_H_
