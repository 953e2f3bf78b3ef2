#include "decoder/chunk_decoder.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "decoder/chunk_layout.h"
#include "decoder/code_table.h"
#include "decoder/decoders.h"
#include "decoder/endian.h"
#include "decoder/format.h"
#include "decoder/fp8.h"
#include "decoder/status_macros.h"

namespace ecf8 {
namespace {

bool IsRaw(const ChunkView& chunk) {
  return chunk.codec == Codec::kRaw || chunk.stored.size() == chunk.weights;
}

absl::Status CheckRequest(const ChunkView& chunk, const TableSet* tables, size_t first_tile,
                          size_t tile_count, size_t out_size) {
  if (chunk.codec > Codec::kE5M2) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown codec ", static_cast<int>(chunk.codec)));
  }
  if (chunk.weights > kChunkWeights) {
    return absl::InvalidArgumentError(absl::StrCat("chunk of ", chunk.weights, " weights"));
  }
  const size_t tiles = TileCount(chunk.weights);
  if (first_tile > tiles || tile_count > tiles - first_tile) {
    return absl::InvalidArgumentError(
        absl::StrCat("tiles ", first_tile, " + ", tile_count, " of a chunk of ", tiles));
  }
  const size_t wanted = TileRangeWeights(chunk.weights, first_tile, tile_count);
  if (out_size != wanted) {
    return absl::InvalidArgumentError(
        absl::StrCat("output of ", out_size, " bytes for ", wanted, " weights"));
  }
  if (!IsRaw(chunk) && (tables == nullptr || tables->codec() != chunk.codec)) {
    return absl::InvalidArgumentError("a coded chunk needs the code tables of its codec");
  }
  return absl::OkStatus();
}

absl::Status CopyRaw(const ChunkView& chunk, size_t first_tile, absl::Span<uint8_t> out) {
  if (chunk.stored.size() != chunk.weights) {
    return absl::DataLossError(
        absl::StrCat("raw chunk of ", chunk.stored.size(), " bytes, must have ", chunk.weights));
  }
  if (!out.empty()) {
    std::memcpy(out.data(), chunk.stored.data() + first_tile * kTileWeights, out.size());
  }
  return absl::OkStatus();
}

// What decoders rely on, checked for the given tiles only.
absl::Status ValidateCodedTiles(const ChunkView& chunk, const ChunkLayout& layout,
                                size_t table_count, size_t first_tile, size_t tile_count) {
  const size_t size = chunk.stored.size();
  if (size % kSectionAlignment != 0 || size > chunk.weights ||
      size < layout.words_begin + layout.raw_size) {
    return absl::DataLossError(
        absl::StrCat("coded chunk of ", size, " bytes for ", chunk.weights, " weights"));
  }
  const size_t words_end = size - layout.raw_size;
  for (size_t tile = first_tile; tile < first_tile + tile_count; ++tile) {
    const size_t offset = LoadLe32(chunk.stored.data() + tile * 4);
    if (offset % 2 != 0 || offset < layout.words_begin || offset > words_end) {
      return absl::DataLossError(absl::StrCat("tile ", tile, " starts at ", offset));
    }
  }
  const size_t end_group =
      std::min((first_tile + tile_count) * kTileGroups, GroupCount(chunk.weights));
  for (size_t group = first_tile * kTileGroups; group < end_group; ++group) {
    const size_t table = (chunk.stored[layout.tables_begin + group / 2] >> (group % 2 * 4)) & 15;
    if (table >= table_count) {
      return absl::DataLossError(
          absl::StrCat("group ", group, " names table ", table, " of ", table_count));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status DecodeTilesWith(const DecoderImplementation& decoder, const ChunkView& chunk,
                             const TableSet* tables, size_t first_tile, size_t tile_count,
                             absl::Span<uint8_t> out) {
  ECF8_RETURN_IF_ERROR(CheckRequest(chunk, tables, first_tile, tile_count, out.size()));
  if (IsRaw(chunk)) return CopyRaw(chunk, first_tile, out);
  const ChunkLayout layout(chunk.codec, chunk.weights);
  ECF8_RETURN_IF_ERROR(ValidateCodedTiles(chunk, layout, tables->size(), first_tile, tile_count));
  const TileDecoder decode =
      chunk.codec == Codec::kE4M3 ? decoder.decode_e4m3 : decoder.decode_e5m2;
  const uint8_t* stored = chunk.stored.data();
  const uint8_t* raw = stored + chunk.stored.size() - layout.raw_size;
  std::array<TileJob, kChunkTiles> jobs;
  for (size_t i = 0; i < tile_count; ++i) {
    const size_t tile = first_tile + i;
    jobs[i] = {.words = stored + LoadLe32(stored + tile * 4),
               .readable_end = stored + chunk.stored.size(),
               .table_nibbles = stored + layout.tables_begin + tile * kTileGroups / 2,
               .raw = raw + tile * kTileGroups * GroupRawBytes(chunk.codec),
               .luts = tables->luts(),
               .codes = tables->codes(),
               .out = out.data() + i * kTileWeights,
               .weights = std::min(chunk.weights - tile * kTileWeights, kTileWeights)};
  }
  decode(jobs.data(), tile_count);
  return absl::OkStatus();
}

absl::Status DecodeTiles(const ChunkView& chunk, const TableSet* tables, size_t first_tile,
                         size_t tile_count, absl::Span<uint8_t> out) {
  return DecodeTilesWith(SelectedDecoder(), chunk, tables, first_tile, tile_count, out);
}

absl::Status DecodeChunk(const ChunkView& chunk, const TableSet* tables, absl::Span<uint8_t> out) {
  return DecodeTiles(chunk, tables, 0, TileCount(chunk.weights), out);
}

}  // namespace ecf8
