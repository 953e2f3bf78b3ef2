// The CPU's decoder implementations, in one place.
#ifndef ECF8_DECODER_DECODERS_H_
#define ECF8_DECODER_DECODERS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/types/span.h"
#include "decoder/canonical_code.h"
#include "decoder/format.h"

namespace ecf8 {

// One tile to decode, already validated: the words start inside the chunk and every table number
// is below the number of tables.
struct TileJob {
  const uint8_t* words;          // the tile's first word (little-endian u16, any alignment)
  const uint8_t* readable_end;   // the chunk's end; words at and beyond it read as zeros
  const uint8_t* table_nibbles;  // table numbers of the tile's groups, low nibble first
  const uint8_t* raw;            // the tile's sign-mantissa bytes, whole groups
  const uint16_t* luts;          // TableSet::luts()
  const CanonicalCode* codes;    // TableSet::codes()
  uint8_t* out;                  // `weights` bytes
  size_t weights;                // 1 to kTileWeights
};

// Decodes `count` tiles; all but the last have kTileWeights weights.
using TileDecoder = void (*)(const TileJob* tiles, size_t count);

struct DecoderImplementation {
  std::string_view name;  // as ECF8_CPU names it
  bool (*supported)();    // on this machine
  TileDecoder decode_e4m3;
  TileDecoder decode_e5m2;
};

// All that were compiled in, the fastest first; the last is "portable" and always supported.
absl::Span<const DecoderImplementation> AllDecoders();

// The first supported one, or the one that the environment variable ECF8_CPU named when this was
// first called. An unknown or unsupported name is reported once on stderr and ignored. Thread-safe.
const DecoderImplementation& SelectedDecoder();

}  // namespace ecf8

#endif  // ECF8_DECODER_DECODERS_H_
