// The decoder for x86-64 machines with AVX2.
#ifndef ECF8_DECODER_DECODER_AVX2_H_
#define ECF8_DECODER_DECODER_AVX2_H_

#include "decoder/decoders.h"

namespace ecf8 {

// Whether this build and this machine can run the two functions below.
bool SupportsAvx2();

void DecodeTileE4M3Avx2(const TileJob& job);
void DecodeTileE5M2Avx2(const TileJob& job);

}  // namespace ecf8

#endif  // ECF8_DECODER_DECODER_AVX2_H_
