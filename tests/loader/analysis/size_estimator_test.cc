#include "loader/analysis/size_estimator.h"

#include <cmath>
#include <vector>

#include "decoder/chunk_encoder.h"
#include "decoder/code_table.h"
#include "decoder/table_search.h"
#include "gtest/gtest.h"
#include "tests/decoder/weight_samples.h"

namespace ecf8 {
namespace {

constexpr uint64_t kSample = 4 << 20;

using Pieces = std::vector<std::vector<uint8_t>>;

// What `compress` does: tables from all weights, every chunk encoded.
uint64_t EncodedSize(Codec codec, const Pieces& pieces) {
  TableSearch search(codec);
  for (const auto& piece : pieces) {
    for (size_t c = 0; c < ChunkCount(piece.size()); ++c) {
      search.Add(absl::MakeConstSpan(piece).subspan(c * kChunkWeights, kChunkWeights));
    }
  }
  const TableSet tables = search.Build();
  ChunkEncoder encoder(tables);
  uint64_t bytes = TableSet::SerializedSize(codec, tables.size());
  std::vector<uint8_t> stored;
  for (const auto& piece : pieces) {
    for (size_t c = 0; c < ChunkCount(piece.size()); ++c) {
      encoder.Encode(absl::MakeConstSpan(piece).subspan(c * kChunkWeights, kChunkWeights), &stored);
      bytes += stored.size();
    }
  }
  return bytes;
}

SizeEstimator::Estimate Estimate(Codec codec, const Pieces& pieces, uint64_t* tiles_taken) {
  uint64_t weights = 0;
  for (const auto& piece : pieces) weights += piece.size();
  SizeEstimator estimator(codec, weights, kSample);
  for (const auto& piece : pieces) {
    estimator.BeginPiece(piece.size());
    for (size_t tile = 0; tile < TileCount(piece.size()); ++tile) {
      if (!estimator.Wants(tile)) continue;
      ++*tiles_taken;
      estimator.AddTile(absl::MakeConstSpan(piece).subspan(tile * kTileWeights, kTileWeights));
    }
  }
  return estimator.Finish();
}

uint64_t Total(const SizeEstimator::Estimate& estimate) {
  uint64_t bytes = estimate.tables_bytes;
  for (const uint64_t piece : estimate.piece_bytes) bytes += piece;
  return bytes;
}

TEST(SizeEstimator, IsExactForWhatFitsIntoTheSample) {
  for (const Codec codec : {Codec::kE4M3, Codec::kE5M2}) {
    const Pieces pieces = {MakeWeights("mixed", codec, 1'500'000, 1),
                           MakeWeights("gaussian", codec, 576 * 576, 2)};
    uint64_t tiles = 0;
    EXPECT_EQ(Total(Estimate(codec, pieces, &tiles)), EncodedSize(codec, pieces));
  }
}

void ExpectWithinHalfAPercent(Codec codec, const Pieces& pieces) {
  uint64_t tiles = 0;
  const auto estimated = static_cast<double>(Total(Estimate(codec, pieces, &tiles)));
  EXPECT_NEAR(estimated / static_cast<double>(EncodedSize(codec, pieces)), 1, 0.005);
  EXPECT_LE(tiles * kTileWeights, kSample + pieces.size() * kTileWeights);
}

TEST(SizeEstimator, IsWithinHalfAPercentOfTheEncoderFromASample) {
  ExpectWithinHalfAPercent(Codec::kE4M3, {MakeWeights("gaussian", Codec::kE4M3, 9'000'000, 1),
                                          MakeWeights("mixed", Codec::kE4M3, 13'000'001, 2),
                                          MakeWeights("gaussian", Codec::kE4M3, 100'000, 3)});
  ExpectWithinHalfAPercent(Codec::kE5M2, {MakeWeights("gaussian", Codec::kE5M2, 9'000'000, 1),
                                          MakeWeights("gaussian", Codec::kE5M2, 100'000, 3)});
}

TEST(SizeEstimator, KnowsThatNoiseDoesNotShrink) {
  const Pieces pieces = {MakeWeights("noise", Codec::kE4M3, 100'000, 1)};
  uint64_t tiles = 0;
  EXPECT_EQ(Estimate(Codec::kE4M3, pieces, &tiles).piece_bytes[0], 100'000U);
}

TEST(SizeEstimator, KnowsThatSmallUnitsAreNotCoded) {
  const Pieces pieces = {MakeWeights("one_symbol", Codec::kE4M3, 4095, 1)};
  uint64_t tiles = 0;
  const SizeEstimator::Estimate estimate = Estimate(Codec::kE4M3, pieces, &tiles);
  EXPECT_EQ(estimate.tables_bytes, 0U);
  EXPECT_EQ(estimate.piece_bytes[0], 4095U);
}

// A tile of a single weight would say that nothing shrinks.
TEST(SizeEstimator, TakesNoPartOfATileForTheWhole) {
  SizeEstimator estimator(Codec::kE4M3, uint64_t{1} << 30, kSample);
  estimator.BeginPiece(kTileWeights + 1);
  EXPECT_TRUE(estimator.Wants(0));
  EXPECT_FALSE(estimator.Wants(1));
}

TEST(SizeEstimator, TakesATileOfEveryPiece) {
  SizeEstimator estimator(Codec::kE4M3, uint64_t{1} << 30, kSample);
  for (const uint64_t weights : {uint64_t{1}, uint64_t{40'000}, uint64_t{9'000'000}}) {
    estimator.BeginPiece(weights);
    uint64_t wanted = 0;
    for (uint64_t tile = 0; tile < TileCount(weights); ++tile) wanted += estimator.Wants(tile);
    EXPECT_GE(wanted, 1U) << weights;
  }
}

}  // namespace
}  // namespace ecf8
