// Constants and arithmetic of the stream format: what a weight, group, tile and chunk are.
// docs/FORMAT.md specifies every byte; these names are that document's words.
#ifndef ECF8_DECODER_FORMAT_H_
#define ECF8_DECODER_FORMAT_H_

#include <cstddef>
#include <cstdint>

#include "decoder/host_device.h"

namespace ecf8 {

// How a tensor's bytes are coded. The numbers are on disk: they never change their meaning.
enum class Codec : uint8_t {
  kRaw = 0,   // the bytes themselves, of any dtype
  kE4M3 = 1,  // FP8 E4M3: pairs of 4-bit exponents, Huffman coded
  kE5M2 = 2,  // FP8 E5M2: pairs of 5-bit exponents, Huffman coded
};

// Lanes that decode in lockstep from one shared stream of words.
inline constexpr size_t kLaneCount = 32;
// Consecutive weights of one lane in a group; a symbol is the exponents of weights j and j + 8.
inline constexpr size_t kLaneWeights = 16;
inline constexpr size_t kLaneSymbols = kLaneWeights / 2;
// What shares one code table.
inline constexpr size_t kGroupWeights = kLaneCount * kLaneWeights;
inline constexpr size_t kGroupSymbols = kGroupWeights / 2;
// What is decoded alone.
inline constexpr size_t kTileWeights = 32768;
inline constexpr size_t kTileGroups = kTileWeights / kGroupWeights;
// What is read, checked and stored alone: 1 MiB decoded.
inline constexpr size_t kChunkTiles = 32;
inline constexpr size_t kChunkWeights = kChunkTiles * kTileWeights;
// Code tables of one codec in one unit, at most.
inline constexpr size_t kMaxTables = 8;
// Bits of the longest code.
inline constexpr int kMaxCodeLength = 12;
inline constexpr size_t kLutEntries = size_t{1} << kMaxCodeLength;
// Every section of a coded chunk starts on, and is padded with zeros to, this many bytes.
inline constexpr size_t kSectionAlignment = 16;

static_assert(kGroupWeights == 512);
static_assert(kTileGroups == 64);
static_assert(kChunkWeights == 1048576);
static_assert(kMaxTables <= 16, "a table number is a nibble");

// Groups, tiles and chunks of a piece (or chunk) of `weights` weights; the last of each may be
// short.
ECF8_HOST_DEVICE constexpr size_t GroupCount(size_t weights) {
  return weights / kGroupWeights + (weights % kGroupWeights != 0 ? 1 : 0);
}
ECF8_HOST_DEVICE constexpr size_t TileCount(size_t weights) {
  return weights / kTileWeights + (weights % kTileWeights != 0 ? 1 : 0);
}
constexpr size_t ChunkCount(size_t weights) {
  return weights / kChunkWeights + (weights % kChunkWeights != 0 ? 1 : 0);
}
// Weights of chunk `chunk` (< ChunkCount(weights)) of a piece of `weights` weights.
constexpr size_t ChunkWeightsAt(size_t weights, size_t chunk) {
  const size_t left = weights - chunk * kChunkWeights;
  return left < kChunkWeights ? left : kChunkWeights;
}
// Weights of the tiles [first_tile, first_tile + tile_count) of a chunk of `weights` weights: the
// size of DecodeTiles' output. The range must lie within TileCount(weights).
constexpr size_t TileRangeWeights(size_t weights, size_t first_tile, size_t tile_count) {
  const size_t begin = first_tile * kTileWeights;
  const size_t end = begin + tile_count * kTileWeights;
  return (end < weights ? end : weights) - (begin < weights ? begin : weights);
}

}  // namespace ecf8

#endif  // ECF8_DECODER_FORMAT_H_
