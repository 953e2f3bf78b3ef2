// What a launch of the CUDA decoder is told: plain data that the host writes (see TileBatch) and
// the device reads. The device believes all of it, and nothing else: stored bytes are only data.
#ifndef ECF8_DECODER_TILE_WORK_H_
#define ECF8_DECODER_TILE_WORK_H_

#include <cstddef>
#include <cstdint>

#include "decoder/format.h"

namespace ecf8 {

// A chunk whose tiles are decoded, or copied. Addresses are the device's.
struct TileWorkChunk {
  const uint8_t* stored_dev;  // the chunk, on a multiple of 16
  uint8_t* out_dev;           // where its weight 0 goes (even if tile 0 is not decoded), likewise
  uint32_t stored_bytes;      // decoded_bytes of a raw chunk; else a multiple of 16
  uint32_t weights;           // at most kChunkWeights
  uint32_t selectors_begin;   // sections of a coded chunk, see ChunkLayout
  uint32_t words_begin;
  uint32_t raw_begin;
  uint32_t unused;
};

// One tile: chunk * kChunkTiles + the tile's number in it. Tiles may come in any order.
using TileWorkItem = uint32_t;

// The tiles of one block of threads: they have the same tables.
struct TileWorkBlock {
  const uint16_t*
      luts_dev;          // table_count times kLutEntries (TableSet::luts()), on a multiple of 16
  uint32_t table_count;  // 1 to kMaxTables; 0 if its chunks are raw
  uint32_t codec;        // a Codec; kRaw: the chunks' bytes are copied
  uint32_t first_item;
  uint32_t item_count;
};

// All of it, in device memory or in pinned host memory that the device can read.
struct TileWork {
  const TileWorkBlock* blocks_dev;
  const TileWorkChunk* chunks_dev;
  const TileWorkItem* items_dev;
  uint8_t* errors_dev;   // a TileError an item: the kernel sets every one
  uint32_t block_count;  // at least 1
  uint32_t max_tables;   // the greatest table_count
};

// What a tile's stored bytes were found to be.
enum class TileError : uint8_t {
  kNone = 0,
  kOffset = 1,  // the tile's words begin outside of the words section, or at an odd byte
  kTable = 2,   // a group names a table that there is not
};

static_assert(sizeof(TileWorkChunk) == 40 && alignof(TileWorkChunk) == 8);
static_assert(sizeof(TileWorkBlock) == 24 && alignof(TileWorkBlock) == 8);

}  // namespace ecf8

#endif  // ECF8_DECODER_TILE_WORK_H_
