#include "decoder/tile_batch.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "decoder/chunk_layout.h"
#include "decoder/format.h"
#include "decoder/fp8.h"
#include "decoder/status_macros.h"
#include "decoder/tile_work.h"

namespace ecf8 {
namespace {

constexpr size_t kAlignment = 16;

bool Aligned(const void* address) { return reinterpret_cast<uintptr_t>(address) % kAlignment == 0; }

absl::Status CheckRange(const TileRange& range) {
  if (range.codec > Codec::kE5M2) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown codec ", static_cast<int>(range.codec)));
  }
  if (range.weights > kChunkWeights) {
    return absl::InvalidArgumentError(absl::StrCat("chunk of ", range.weights, " weights"));
  }
  const size_t tiles = TileCount(range.weights);
  if (range.first_tile > tiles || range.tile_count > tiles - range.first_tile) {
    return absl::InvalidArgumentError(absl::StrCat("tiles ", range.first_tile, " + ",
                                                   range.tile_count, " of a chunk of ", tiles));
  }
  if (!Aligned(range.stored_dev) || !Aligned(range.out_dev)) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunks and outputs must lie on multiples of ", kAlignment));
  }
  return absl::OkStatus();
}

// The sections of a coded chunk that the kernel looks into, if the chunk has room for them.
absl::Status FindSections(const TileRange& range, TileWorkChunk* chunk) {
  const ChunkLayout layout(range.codec, range.weights);
  if (range.stored_bytes % kSectionAlignment != 0 || range.stored_bytes > range.weights ||
      range.stored_bytes < layout.words_begin + layout.raw_size) {
    return absl::DataLossError(absl::StrCat("coded chunk of ", range.stored_bytes, " bytes for ",
                                            range.weights, " weights"));
  }
  chunk->selectors_begin = static_cast<uint32_t>(layout.tables_begin);
  chunk->words_begin = static_cast<uint32_t>(layout.words_begin);
  chunk->raw_begin = static_cast<uint32_t>(range.stored_bytes - layout.raw_size);
  return absl::OkStatus();
}

size_t DivideUp(size_t value, size_t by) { return (value + by - 1) / by; }
size_t AlignUp(size_t value) { return DivideUp(value, kAlignment) * kAlignment; }

template <typename T>
void Append(const std::vector<T>& values, size_t at, std::vector<uint8_t>* image) {
  std::memcpy(image->data() + at, values.data(), values.size() * sizeof(T));
}

}  // namespace

absl::Status TileErrorStatus(TileError error) {
  switch (error) {
    case TileError::kNone:
      return absl::OkStatus();
    case TileError::kOffset:
      return absl::DataLossError("its words begin at no possible place");
    case TileError::kTable:
      return absl::DataLossError("a group names no table of the unit");
  }
  return absl::InternalError(absl::StrCat("the kernel wrote ", static_cast<int>(error)));
}

size_t TileBatch::AddTables(const uint16_t* luts_dev, size_t count) {
  assert(Aligned(luts_dev) && count >= 1 && count <= kMaxTables);
  tables_.push_back({luts_dev, static_cast<uint32_t>(count)});
  return tables_.size() - 1;
}

absl::Status TileBatch::Add(const TileRange& range, size_t tables) {
  const size_t call = calls_++;
  ECF8_RETURN_IF_ERROR(CheckRange(range));
  if (range.tile_count > kMaxTiles - tile_count_) {
    return absl::ResourceExhaustedError(absl::StrCat("more than ", kMaxTiles, " tiles"));
  }
  const bool raw = range.codec == Codec::kRaw || range.stored_bytes == range.weights;
  TileWorkChunk chunk = {};
  chunk.stored_dev = range.stored_dev;
  chunk.out_dev = range.out_dev - range.first_tile * kTileWeights;
  chunk.stored_bytes = static_cast<uint32_t>(range.stored_bytes);
  chunk.weights = static_cast<uint32_t>(range.weights);
  if (raw) {
    if (range.stored_bytes != range.weights) {
      return absl::DataLossError(
          absl::StrCat("raw chunk of ", range.stored_bytes, " bytes, must have ", range.weights));
    }
  } else {
    if (tables >= tables_.size()) {
      return absl::InvalidArgumentError("a coded chunk needs the code tables of its codec");
    }
    ECF8_RETURN_IF_ERROR(FindSections(range, &chunk));
  }
  if (range.tile_count == 0) return absl::OkStatus();
  Group& group = raw ? GroupOf(Codec::kRaw, 0) : GroupOf(range.codec, tables);
  group.ranges.push_back({chunk, static_cast<uint32_t>(range.first_tile),
                          static_cast<uint32_t>(range.tile_count), call});
  group.tile_count += range.tile_count;
  tile_count_ += range.tile_count;
  return absl::OkStatus();
}

TileBatch::Group& TileBatch::GroupOf(Codec codec, size_t tables) {
  // A unit's chunks come together, so the last groups are the likeliest.
  for (auto group = groups_.rbegin(); group != groups_.rend(); ++group) {
    if (group->codec == codec && group->tables == tables) return *group;
  }
  groups_.push_back({codec, tables, 0, {}});
  return groups_.back();
}

TileWork TileBatch::Layout::At(const uint8_t* image_dev, uint8_t* errors_dev) const {
  return {.blocks_dev = reinterpret_cast<const TileWorkBlock*>(image_dev),
          .chunks_dev = reinterpret_cast<const TileWorkChunk*>(image_dev + chunks_begin),
          .items_dev = reinterpret_cast<const TileWorkItem*>(image_dev + items_begin),
          .errors_dev = errors_dev,
          .block_count = block_count,
          .max_tables = max_tables};
}

size_t TileBatch::BlockCount(size_t block_tiles) const {
  size_t blocks = 0;
  for (const Group& group : groups_) blocks += DivideUp(group.tile_count, block_tiles);
  return blocks;
}

// The least with which all blocks run at once. A multiprocessor has a second block where the first
// has a tile for each of its warps: as many warps in one block are faster by its tables.
size_t TileBatch::MostBlockTiles(const TileDecodeShape& shape) const {
  const auto multiprocessors = static_cast<size_t>(shape.multiprocessors);
  const bool one_each = tile_count_ <= multiprocessors * static_cast<size_t>(shape.warps);
  const size_t slots = multiprocessors * (one_each ? 1 : static_cast<size_t>(shape.blocks));
  size_t enough = 1;  // tiles
  for (const Group& group : groups_) enough = std::max(enough, group.tile_count);
  size_t least = std::min(enough, DivideUp(tile_count_, slots));
  while (least < enough) {
    const size_t middle = least + (enough - least) / 2;
    if (BlockCount(middle) <= slots) {
      enough = middle;
    } else {
      least = middle + 1;
    }
  }
  return enough;
}

void TileBatch::LayOut(const TileDecodeShape& shape, Layout* layout) const {
  assert(tile_count_ > 0 && shape.warps > 0 && shape.blocks > 0 && shape.multiprocessors > 0);
  const size_t most_block_tiles = MostBlockTiles(shape);
  std::vector<TileWorkBlock> blocks;
  std::vector<TileWorkChunk> chunks;
  std::vector<TileWorkItem> items;
  items.reserve(tile_count_);
  layout->max_tables = 0;
  for (const Group& group : groups_) {
    const bool coded = group.codec != Codec::kRaw;
    const Tables tables = coded ? tables_[group.tables] : Tables{nullptr, 0};
    layout->max_tables = std::max(layout->max_tables, tables.count);
    const size_t block_count = DivideUp(group.tile_count, most_block_tiles);
    for (size_t block = 0; block < block_count; ++block) {
      const size_t begin = group.tile_count * block / block_count;
      const size_t end = group.tile_count * (block + 1) / block_count;
      blocks.push_back({tables.luts_dev, tables.count, static_cast<uint32_t>(group.codec),
                        static_cast<uint32_t>(items.size() + begin),
                        static_cast<uint32_t>(end - begin)});
    }
    for (const Range& range : group.ranges) {
      const auto first = static_cast<TileWorkItem>(chunks.size() * kChunkTiles + range.first_tile);
      for (uint32_t i = 0; i < range.tile_count; ++i) items.push_back(first + i);
      chunks.push_back(range.chunk);
    }
  }
  layout->block_count = static_cast<uint32_t>(blocks.size());
  layout->chunks_begin = AlignUp(blocks.size() * sizeof(TileWorkBlock));
  layout->items_begin = AlignUp(layout->chunks_begin + chunks.size() * sizeof(TileWorkChunk));
  layout->image.assign(layout->items_begin + items.size() * sizeof(TileWorkItem), 0);
  Append(blocks, 0, &layout->image);
  Append(chunks, layout->chunks_begin, &layout->image);
  Append(items, layout->items_begin, &layout->image);
}

std::vector<TileBatch::BadTile> TileBatch::FindBadTiles(absl::Span<const uint8_t> errors) const {
  assert(errors.size() == tile_count_);
  std::vector<BadTile> bad;
  size_t index = 0;
  for (const Group& group : groups_) {
    for (const Range& range : group.ranges) {
      for (size_t i = 0; i < range.tile_count; ++i, ++index) {
        const auto error = static_cast<TileError>(errors[index]);
        if (error != TileError::kNone) bad.push_back({range.call, range.first_tile + i, error});
      }
    }
  }
  return bad;
}

absl::Status TileBatch::CheckErrors(absl::Span<const uint8_t> errors) const {
  const std::vector<BadTile> bad = FindBadTiles(errors);
  if (bad.empty()) return absl::OkStatus();
  const absl::Status status = TileErrorStatus(bad.front().error);
  return absl::Status(status.code(), absl::StrCat("range ", bad.front().call, ", tile ",
                                                  bad.front().tile, ": ", status.message()));
}

}  // namespace ecf8
