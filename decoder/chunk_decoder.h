// Decodes chunks, or any run of their tiles, on the CPU.
#ifndef ECF8_DECODER_CHUNK_DECODER_H_
#define ECF8_DECODER_CHUNK_DECODER_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/decoders.h"
#include "decoder/format.h"

namespace ecf8 {

// One stored chunk of a tensor piece. Borrows its bytes.
struct ChunkView {
  Codec codec = Codec::kRaw;         // of the tensor; a coded tensor's chunk may still be raw
  absl::Span<const uint8_t> stored;  // any alignment; raw if stored.size() == weights
  size_t weights = 0;                // decoded bytes, at most kChunkWeights
};

// Decodes tiles [first_tile, first_tile + tile_count) of `chunk` into `out`, whose size must be
// TileRangeWeights(chunk.weights, first_tile, tile_count). Of a raw chunk, a tile is kTileWeights
// bytes. `tables` is the unit's set for the codec; may be null if the codec is kRaw or the chunk is
// stored raw.
//
// Any bytes are safe: nothing is read outside `chunk.stored` or written outside `out`. DATA_LOSS if
// the chunk's size, a tile's offset or a group's table number cannot be right; INVALID_ARGUMENT if
// the request itself is wrong (range, size of `out`, tables missing or of another codec). Damage
// within the words or the sign-mantissa bytes cannot be seen here: it gives wrong weights, so check
// the chunk's checksum first. `out` is unspecified after an error. Thread-safe.
absl::Status DecodeTiles(const ChunkView& chunk, const TableSet* tables, size_t first_tile,
                         size_t tile_count, absl::Span<uint8_t> out);

// The whole chunk: `out` holds chunk.weights bytes.
absl::Status DecodeChunk(const ChunkView& chunk, const TableSet* tables, absl::Span<uint8_t> out);

// As DecodeTiles, with a chosen implementation (which must be supported) instead of
// SelectedDecoder(): for tests and benchmarks.
absl::Status DecodeTilesWith(const DecoderImplementation& decoder, const ChunkView& chunk,
                             const TableSet* tables, size_t first_tile, size_t tile_count,
                             absl::Span<uint8_t> out);

}  // namespace ecf8

#endif  // ECF8_DECODER_CHUNK_DECODER_H_
