// Puts together what one launch of the CUDA decoder decodes: tiles of any number of chunks, tensors
// and units, with their tables. Needs no CUDA.
#ifndef ECF8_DECODER_TILE_BATCH_H_
#define ECF8_DECODER_TILE_BATCH_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "decoder/format.h"
#include "decoder/tile_decode_cuda.h"
#include "decoder/tile_work.h"

namespace ecf8 {

// Tiles [first_tile, first_tile + tile_count) of a chunk that is in device memory. Addresses are
// the device's and never followed here.
struct TileRange {
  Codec codec = Codec::kRaw;            // of the tensor; a coded tensor's chunk may still be raw
  const uint8_t* stored_dev = nullptr;  // the whole chunk, on a multiple of 16
  size_t stored_bytes = 0;              // raw if it equals `weights`
  size_t weights = 0;                   // of the whole chunk, at most kChunkWeights
  size_t first_tile = 0;
  size_t tile_count = 0;
  uint8_t* out_dev = nullptr;  // TileRangeWeights bytes for these tiles, on a multiple of 16
};

// What is wrong with a tile: DATA_LOSS; INTERNAL where it is nothing that the kernel writes.
absl::Status TileErrorStatus(TileError error);

// Thread-compatible.
class TileBatch {
 public:
  // Most tiles of a batch: their numbers fit 32 bits, with room.
  static constexpr size_t kMaxTiles = size_t{1} << 26;

  // The code tables of a unit and codec: `count` look-up tables as TableSet::luts() has them, in
  // device memory on a multiple of 16. Returns the number that Add takes.
  size_t AddTables(const uint16_t* luts_dev, size_t count);

  // Adds tiles. `tables` is what AddTables returned for the range's codec; not looked at where the
  // chunk is raw. INVALID_ARGUMENT if the request is wrong: codec, range, alignment, tables.
  // DATA_LOSS if a chunk of so many bytes cannot have so many weights. RESOURCE_EXHAUSTED above
  // kMaxTiles.
  absl::Status Add(const TileRange& range, size_t tables);

  size_t tile_count() const { return tile_count_; }

  // Lays out the batch for a device where the kernel runs as `shape` says. A block's tiles have the
  // same tables. All blocks run at once, unless there are more table sets than that; the tiles are
  // spread evenly over them, and few tiles over all multiprocessors. `image` is what the launch
  // needs in device memory, on a multiple of 16; at() tells where in it is what.
  // The tiles' errors, tile_count() bytes, are the caller's to place.
  struct Layout {
    std::vector<uint8_t> image;
    size_t chunks_begin = 0;  // blocks begin at 0
    size_t items_begin = 0;
    uint32_t block_count = 0;
    uint32_t max_tables = 0;

    // The launch's argument, for the image at image_dev and errors at errors_dev.
    TileWork At(const uint8_t* image_dev, uint8_t* errors_dev) const;
  };
  // Needs at least one tile. Replaces *layout.
  void LayOut(const TileDecodeShape& shape, Layout* layout) const;

  // A tile that could not be decoded.
  struct BadTile {
    size_t call;  // the number of the Add call that its range came from, counted from 0
    size_t tile;  // its number in its chunk
    TileError error;
  };
  // All of them, from what a finished launch wrote (tile_count() bytes).
  std::vector<BadTile> FindBadTiles(absl::Span<const uint8_t> errors) const;

  // The same as a status, DATA_LOSS that names the first bad tile. INTERNAL where its byte is
  // nothing that the kernel writes.
  absl::Status CheckErrors(absl::Span<const uint8_t> errors) const;

 private:
  struct Tables {
    const uint16_t* luts_dev;
    uint32_t count;
  };
  struct Range {
    TileWorkChunk chunk;
    uint32_t first_tile;
    uint32_t tile_count;
    size_t call;  // of Add
  };
  // Ranges whose tiles a block may mix: the same codec and tables.
  struct Group {
    Codec codec;
    size_t tables;
    size_t tile_count;
    std::vector<Range> ranges;
  };

  Group& GroupOf(Codec codec, size_t tables);
  // Blocks of at most so many tiles.
  size_t BlockCount(size_t block_tiles) const;
  size_t MostBlockTiles(const TileDecodeShape& shape) const;

  std::vector<Tables> tables_;
  std::vector<Group> groups_;
  size_t tile_count_ = 0;
  size_t calls_ = 0;
};

}  // namespace ecf8

#endif  // ECF8_DECODER_TILE_BATCH_H_
