// The decoder for x86-64 machines with AVX-512 (F, BW, VL, DQ and VBMI2's expanding loads).
#ifndef ECF8_DECODER_DECODER_AVX512_H_
#define ECF8_DECODER_DECODER_AVX512_H_

#include <cstddef>

#include "decoder/decoders.h"

namespace ecf8 {

// Whether this build and this machine can run the two functions below.
bool SupportsAvx512();

void DecodeTilesE4M3Avx512(const TileJob* tiles, size_t count);
void DecodeTilesE5M2Avx512(const TileJob* tiles, size_t count);

}  // namespace ecf8

#endif  // ECF8_DECODER_DECODER_AVX512_H_
