// FP8 weights to the numbers that they stand for: each times the scale of its block, in F32, then
// rounded to nearest even where BF16 is wanted. NaN stays NaN; the bits of one are not defined.
#ifndef ECF8_DECODER_DEQUANTIZE_H_
#define ECF8_DECODER_DEQUANTIZE_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "decoder/format.h"

namespace ecf8 {

// A rectangle of weights that share a scale, in a matrix of rows of `stride` elements.
struct ScaledBlock {
  Codec codec = Codec::kE4M3;  // not kRaw
  float scale = 1;
  const uint8_t* weights = nullptr;  // the first of it
  size_t rows = 0;
  size_t columns = 0;
  size_t stride = 0;  // of the weights and of what comes out
};

void DequantizeToBf16(const ScaledBlock& block, uint16_t* out);
void DequantizeToF32(const ScaledBlock& block, float* out);

// What the weights without a sign become; the others become the same with the sign bit flipped.
using Bf16Table = std::array<uint16_t, 128>;

// One row of a block, by its table.
using Bf16RowLookup = void (*)(const Bf16Table& table, const uint8_t* weights, size_t count,
                               uint16_t* out);
void LookUpBf16RowPortable(const Bf16Table& table, const uint8_t* weights, size_t count,
                           uint16_t* out);

}  // namespace ecf8

#endif  // ECF8_DECODER_DEQUANTIZE_H_
