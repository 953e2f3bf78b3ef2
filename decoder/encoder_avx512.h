// The encoder for x86-64 machines with AVX-512 VBMI and VBMI2.
#ifndef ECF8_DECODER_ENCODER_AVX512_H_
#define ECF8_DECODER_ENCODER_AVX512_H_

#include <cstddef>
#include <cstdint>

#include "decoder/encoders.h"

namespace ecf8 {

// Where SupportsAvx512() of decoder_avx512.h says so.
size_t CodeGroupE4M3Avx512(const EncoderTables& tables, const uint8_t* weights, LaneWords* codes);
void PackWordsAvx512(PackJob* job);

}  // namespace ecf8

#endif  // ECF8_DECODER_ENCODER_AVX512_H_
