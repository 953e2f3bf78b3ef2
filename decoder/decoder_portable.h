// The decoder in plain C++, for machines without a better one.
#ifndef ECF8_DECODER_DECODER_PORTABLE_H_
#define ECF8_DECODER_DECODER_PORTABLE_H_

#include <cstddef>

#include "decoder/decoders.h"

namespace ecf8 {

void DecodeTilesE4M3Portable(const TileJob* tiles, size_t count);
void DecodeTilesE5M2Portable(const TileJob* tiles, size_t count);

}  // namespace ecf8

#endif  // ECF8_DECODER_DECODER_PORTABLE_H_
