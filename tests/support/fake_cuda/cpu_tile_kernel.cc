#include "tests/support/fake_cuda/cpu_tile_kernel.h"

#include <map>
#include <memory>
#include <vector>

#include "decoder/chunk_decoder.h"
#include "decoder/code_table.h"
#include "decoder/format.h"

namespace ecf8::testing {
namespace {

// The tables that the look-up tables were made from: every entry has its symbol and code length.
std::unique_ptr<TableSet> TablesOf(Codec codec, const uint16_t* luts, uint32_t count) {
  const int symbol_shift = codec == Codec::kE4M3 ? 8 : 6;
  std::vector<CodeTable> tables;
  for (uint32_t t = 0; t < count; ++t, luts += kLutEntries) {
    std::vector<uint8_t> lengths(SymbolCount(codec), 0);
    for (size_t i = 0; i < kLutEntries; ++i) {
      const auto length = static_cast<uint8_t>(luts[i] & 15);
      lengths[luts[i] >> symbol_shift] = length == 0 ? 1 : length;
    }
    auto table = CodeTable::FromLengths(codec, lengths);
    if (!table.ok()) return nullptr;
    tables.push_back(*std::move(table));
  }
  return std::make_unique<TableSet>(codec, std::move(tables));
}

}  // namespace

bool RunTileWorkOnCpu(const TileWork& work, const ResolveAddress& resolve, std::string* where) {
  const auto bad = [where](const char* what) {
    *where = what;
    return false;
  };
  std::map<const uint16_t*, std::unique_ptr<TableSet>> tables;
  for (uint32_t b = 0; b < work.block_count; ++b) {
    const auto* block = reinterpret_cast<const TileWorkBlock*>(
        resolve(work.blocks_dev + b, sizeof(TileWorkBlock), false));
    if (block == nullptr) return bad("the list of blocks");
    const auto codec = static_cast<Codec>(block->codec);
    if (codec > Codec::kE5M2 || block->table_count > work.max_tables) return bad("a block");
    std::unique_ptr<TableSet>& set = tables[block->luts_dev];
    if (codec != Codec::kRaw && set == nullptr) {
      const auto* luts = reinterpret_cast<const uint16_t*>(
          resolve(block->luts_dev, block->table_count * kLutEntries * sizeof(uint16_t), false));
      if (luts == nullptr) return bad("the look-up tables");
      set = TablesOf(codec, luts, block->table_count);
      if (set == nullptr) return bad("the look-up tables, which are none,");
    }
    const auto* items = reinterpret_cast<const TileWorkItem*>(resolve(
        work.items_dev + block->first_item, block->item_count * sizeof(TileWorkItem), false));
    uint8_t* const errors = resolve(work.errors_dev + block->first_item, block->item_count, true);
    if (items == nullptr || errors == nullptr) return bad("the list of tiles");
    for (uint32_t i = 0; i < block->item_count; ++i) {
      const auto* chunk = reinterpret_cast<const TileWorkChunk*>(
          resolve(work.chunks_dev + items[i] / kChunkTiles, sizeof(TileWorkChunk), false));
      if (chunk == nullptr) return bad("the list of chunks");
      const size_t tile = items[i] % kChunkTiles;
      const size_t size = TileRangeWeights(chunk->weights, tile, 1);
      const uint8_t* const stored = resolve(chunk->stored_dev, chunk->stored_bytes, false);
      uint8_t* const out = resolve(chunk->out_dev + tile * kTileWeights, size, true);
      if (stored == nullptr) return bad("a stored chunk");
      if (out == nullptr) return bad("the weights of a chunk");
      const absl::Status status = DecodeTiles(
          {codec, {stored, chunk->stored_bytes}, chunk->weights}, set.get(), tile, 1, {out, size});
      errors[i] = static_cast<uint8_t>(status.ok() ? TileError::kNone : TileError::kOffset);
    }
  }
  return true;
}

}  // namespace ecf8::testing
