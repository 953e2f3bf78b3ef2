// The decoder in plain C++, for machines without a better one.
#ifndef ECF8_DECODER_DECODER_PORTABLE_H_
#define ECF8_DECODER_DECODER_PORTABLE_H_

#include "decoder/decoders.h"

namespace ecf8 {

void DecodeTileE4M3Portable(const TileJob& job);
void DecodeTileE5M2Portable(const TileJob& job);

}  // namespace ecf8

#endif  // ECF8_DECODER_DECODER_PORTABLE_H_
