// The decoder for aarch64, all of which has NEON.
#ifndef ECF8_DECODER_DECODER_NEON_H_
#define ECF8_DECODER_DECODER_NEON_H_

#include <cstddef>

#include "decoder/decoders.h"

namespace ecf8 {

void DecodeTilesE4M3Neon(const TileJob* tiles, size_t count);

}  // namespace ecf8

#endif  // ECF8_DECODER_DECODER_NEON_H_
