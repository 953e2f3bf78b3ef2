#include "decoder/tile_batch.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "decoder/chunk_layout.h"
#include "decoder/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ecf8 {
namespace {

// Addresses are never followed.
uint8_t* Address(uintptr_t address) { return reinterpret_cast<uint8_t*>(address); }
const uint16_t* Luts(uintptr_t address) { return reinterpret_cast<const uint16_t*>(address); }

TileRange Coded(Codec codec, size_t weights) {
  const ChunkLayout layout(codec, weights);
  return {.codec = codec,
          .stored_dev = Address(1 << 20),
          .stored_bytes = layout.words_begin + layout.raw_size,
          .weights = weights,
          .first_tile = 0,
          .tile_count = TileCount(weights),
          .out_dev = Address(1 << 28)};
}

TileRange Raw(size_t bytes) {
  TileRange range = Coded(Codec::kE4M3, bytes);
  range.codec = Codec::kRaw;
  range.stored_bytes = bytes;
  return range;
}

TEST(TileBatchTest, RefusesWhatCannotBe) {
  TileBatch batch;
  const size_t tables = batch.AddTables(Luts(1 << 12), 8);
  const TileRange good = Coded(Codec::kE4M3, 100'000);
  const auto code_of = [&](auto change, size_t number) {
    TileRange range = good;
    change(range);
    return batch.Add(range, number).code();
  };
  using Code = absl::StatusCode;
  EXPECT_EQ(code_of([](TileRange&) {}, tables), Code::kOk);
  EXPECT_EQ(code_of([](TileRange&) {}, tables + 1), Code::kInvalidArgument);
  EXPECT_EQ(code_of([](TileRange& r) { r.codec = static_cast<Codec>(3); }, tables),
            Code::kInvalidArgument);
  EXPECT_EQ(code_of([](TileRange& r) { r.weights = kChunkWeights + 1; }, tables),
            Code::kInvalidArgument);
  EXPECT_EQ(code_of([](TileRange& r) { r.tile_count = 5; }, tables), Code::kInvalidArgument);
  EXPECT_EQ(code_of([](TileRange& r) { r.first_tile = SIZE_MAX; }, tables), Code::kInvalidArgument);
  EXPECT_EQ(code_of([](TileRange& r) { r.stored_dev += 8; }, tables), Code::kInvalidArgument);
  EXPECT_EQ(code_of([](TileRange& r) { r.out_dev += 1; }, tables), Code::kInvalidArgument);
  EXPECT_EQ(code_of([](TileRange& r) { r.stored_bytes += 8; }, tables), Code::kDataLoss);
  EXPECT_EQ(code_of([](TileRange& r) { r.stored_bytes -= 16; }, tables), Code::kDataLoss);
  EXPECT_EQ(code_of([](TileRange& r) { r.stored_bytes = r.weights + 16; }, tables),
            Code::kDataLoss);
  EXPECT_EQ(code_of([](TileRange& r) { r.codec = Codec::kRaw; }, tables), Code::kDataLoss);
  EXPECT_EQ(code_of([](TileRange& r) { r.tile_count = 0, r.stored_bytes += 8; }, tables),
            Code::kDataLoss);  // though none of it is wanted
  EXPECT_EQ(batch.tile_count(), 4);
}

TEST(TileBatchTest, LaysOutEveryTileOnceInBlocksOfOneTableSet) {
  TileBatch batch;
  const size_t first = batch.AddTables(Luts(1 << 12), 3);
  const size_t second = batch.AddTables(Luts(1 << 16), 8);
  ASSERT_TRUE(batch.Add(Coded(Codec::kE4M3, kChunkWeights), first).ok());
  ASSERT_TRUE(batch.Add(Raw(70'000), 0).ok());
  ASSERT_TRUE(batch.Add(Coded(Codec::kE5M2, 40'000), second).ok());
  TileRange part = Coded(Codec::kE4M3, kChunkWeights);
  part.first_tile = 30;
  part.tile_count = 2;
  ASSERT_TRUE(batch.Add(part, first).ok());
  ASSERT_EQ(batch.tile_count(), 32 + 3 + 2 + 2);
  for (const int multiprocessors : {1, 4, 1000}) {
    TileBatch::Layout layout;
    batch.LayOut({.warps = 24, .blocks = 2, .multiprocessors = multiprocessors}, &layout);
    const TileWork work = layout.At(layout.image.data(), nullptr);
    EXPECT_EQ(work.max_tables, 8);
    std::set<uint32_t> items;
    for (uint32_t b = 0; b < work.block_count; ++b) {
      TileWorkBlock block;
      std::memcpy(&block, work.blocks_dev + b, sizeof(block));
      // On one multiprocessor there are more table sets than blocks at once.
      EXPECT_LE(block.item_count, multiprocessors == 1 ? 34 : multiprocessors == 4 ? 17 : 1);
      for (uint32_t i = 0; i < block.item_count; ++i) {
        TileWorkItem item;
        std::memcpy(&item, work.items_dev + block.first_item + i, sizeof(item));
        EXPECT_TRUE(items.insert(block.first_item + i).second);
        TileWorkChunk chunk;
        std::memcpy(&chunk, work.chunks_dev + item / kChunkTiles, sizeof(chunk));
        EXPECT_LT(item % kChunkTiles, TileCount(chunk.weights));
        const auto codec = static_cast<Codec>(block.codec);
        EXPECT_EQ(chunk.stored_bytes == chunk.weights, codec == Codec::kRaw);
        EXPECT_EQ(block.luts_dev, codec == Codec::kRaw    ? nullptr
                                  : codec == Codec::kE4M3 ? Luts(1 << 12)
                                                          : Luts(1 << 16));
      }
    }
    EXPECT_EQ(items.size(), batch.tile_count());
  }
}

// Of each block the number of tiles.
std::vector<uint32_t> BlockTiles(const TileBatch& batch, const TileDecodeShape& shape) {
  TileBatch::Layout layout;
  batch.LayOut(shape, &layout);
  const TileWork work = layout.At(layout.image.data(), nullptr);
  std::vector<uint32_t> tiles;
  for (uint32_t b = 0; b < work.block_count; ++b) {
    TileWorkBlock block;
    std::memcpy(&block, work.blocks_dev + b, sizeof(block));
    tiles.push_back(block.item_count);
  }
  return tiles;
}

TEST(TileBatchTest, SpreadsTilesEvenlyOverWhatRunsAtOnce) {
  const TileDecodeShape shape = {.warps = 16, .blocks = 2, .multiprocessors = 10};
  TileBatch batch;
  const size_t tables = batch.AddTables(Luts(1 << 12), 3);
  const auto add = [&](size_t chunks, size_t of) {
    for (size_t i = 0; i < chunks; ++i) {
      ASSERT_TRUE(batch.Add(Coded(Codec::kE4M3, kChunkWeights), of).ok());
    }
  };
  add(5, tables);  // as many tiles as ten blocks have warps
  EXPECT_EQ(BlockTiles(batch, shape), std::vector<uint32_t>(10, 16));
  add(1, tables);  // two blocks each
  std::vector<uint32_t> tiles = BlockTiles(batch, shape);
  EXPECT_EQ(tiles.size(), 20);
  EXPECT_THAT(tiles, testing::Each(testing::AnyOf(9, 10)));
  add(94, tables);  // however many they are
  EXPECT_EQ(BlockTiles(batch, shape), std::vector<uint32_t>(20, 160));
  // Three sets share 20 blocks, none of which waits for another.
  add(50, batch.AddTables(Luts(1 << 16), 8));
  add(1, batch.AddTables(Luts(1 << 18), 8));
  tiles = BlockTiles(batch, shape);
  std::vector<uint32_t> expected(12, 266);
  expected.insert(expected.end(), 6, 266);
  expected.push_back(32);
  ASSERT_EQ(tiles.size(), expected.size());  // 20 would not divide better
  for (size_t i = 0; i < tiles.size(); ++i) {
    EXPECT_THAT(tiles[i], testing::AnyOf(expected[i], expected[i] + 1));
  }
}

TEST(TileBatchTest, NamesTheFirstBadTile) {
  TileBatch batch;
  const size_t tables = batch.AddTables(Luts(1 << 12), 1);
  TileRange part = Coded(Codec::kE4M3, kChunkWeights);
  part.first_tile = 5;
  part.tile_count = 3;
  ASSERT_TRUE(batch.Add(part, tables).ok());
  ASSERT_TRUE(batch.Add(part, tables).ok());
  std::vector<uint8_t> errors(6, 0);
  EXPECT_TRUE(batch.CheckErrors(errors).ok());
  errors[4] = static_cast<uint8_t>(TileError::kTable);
  EXPECT_EQ(batch.CheckErrors(errors).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(batch.CheckErrors(errors).message(),
            "range 1, tile 6: a group names no table of the unit");
  errors[0] = 77;
  EXPECT_EQ(batch.CheckErrors(errors).code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace ecf8
