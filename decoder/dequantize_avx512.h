// The lookup of dequantize.h for x86-64 machines with AVX-512 (F and BW).
#ifndef ECF8_DECODER_DEQUANTIZE_AVX512_H_
#define ECF8_DECODER_DEQUANTIZE_AVX512_H_

#include <cstddef>
#include <cstdint>

#include "decoder/dequantize.h"

namespace ecf8 {

void LookUpBf16RowAvx512(const Bf16Table& table, const uint8_t* weights, size_t count,
                         uint16_t* out);

}  // namespace ecf8

#endif  // ECF8_DECODER_DEQUANTIZE_AVX512_H_
