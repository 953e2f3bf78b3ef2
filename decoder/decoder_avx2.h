// The decoder for x86-64 machines with AVX2.
#ifndef ECF8_DECODER_DECODER_AVX2_H_
#define ECF8_DECODER_DECODER_AVX2_H_

#include <cstddef>

#include "decoder/decoders.h"

namespace ecf8 {

// Whether this build and this machine can run the two functions below.
bool SupportsAvx2();

void DecodeTilesE4M3Avx2(const TileJob* tiles, size_t count);
void DecodeTilesE5M2Avx2(const TileJob* tiles, size_t count);

}  // namespace ecf8

#endif  // ECF8_DECODER_DECODER_AVX2_H_
