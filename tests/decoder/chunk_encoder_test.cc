#include "decoder/chunk_encoder.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "decoder/table_search.h"
#include "gtest/gtest.h"
#include "tests/decoder/weight_samples.h"

namespace ecf8 {
namespace {

TEST(ChunkEncoderTest, StoresNoiseRaw) {
  for (const Codec codec : {Codec::kE4M3, Codec::kE5M2}) {
    const std::vector<uint8_t> weights = MakeWeights("noise", codec, 100'001, 1);
    std::vector<uint8_t> stored;
    ChunkEncoder(TablesFor(codec, weights)).Encode(weights, &stored);
    EXPECT_EQ(stored, weights);
  }
}

TEST(ChunkEncoderTest, StoresRawWhatNoTableCanCode) {
  const TableSet tables =
      TablesFor(Codec::kE4M3, MakeWeights("two_symbols", Codec::kE4M3, 100'000, 2));
  const std::vector<uint8_t> weights = MakeWeights("gaussian", Codec::kE4M3, 100'000, 3);
  std::vector<uint8_t> stored;
  ChunkEncoder(tables).Encode(weights, &stored);
  EXPECT_EQ(stored, weights);
}

TEST(ChunkEncoderTest, CodedChunksAreSmallerAndAligned) {
  const std::vector<uint8_t> weights = MakeWeights("gaussian", Codec::kE4M3, kChunkWeights, 4);
  std::vector<uint8_t> stored;
  ChunkEncoder(TablesFor(Codec::kE4M3, weights)).Encode(weights, &stored);
  EXPECT_EQ(stored.size() % kSectionAlignment, 0u);
  EXPECT_LT(stored.size(), weights.size() * 9 / 10);
}

// Padding decides at some sizes: a coded chunk is smaller, any other an exact copy.
TEST(ChunkEncoderTest, IsNeverLargerAtAnySize) {
  const std::vector<uint8_t> all = MakeWeights("noise", Codec::kE4M3, 700, 8);
  for (size_t noise = 0; noise < 300; noise += 5) {
    std::vector<uint8_t> weights = MakeWeights("one_symbol", Codec::kE4M3, 700, 9);
    std::copy_n(all.begin(), noise, weights.begin());
    const TableSet tables = TablesFor(Codec::kE4M3, weights);
    for (size_t size = 513; size <= weights.size(); ++size) {
      std::vector<uint8_t> stored;
      const auto part = absl::MakeSpan(weights).subspan(0, size);
      ChunkEncoder(tables).Encode(part, &stored);
      ASSERT_TRUE(stored.size() < size || std::equal(stored.begin(), stored.end(), part.begin()))
          << size << " " << noise;
      ASSERT_LE(stored.size(), size);
    }
  }
}

TEST(ChunkEncoderTest, ForgetsTheLastChunk) {
  const std::vector<uint8_t> large = MakeWeights("mixed", Codec::kE5M2, 200'000, 5);
  const std::vector<uint8_t> small = MakeWeights("mixed", Codec::kE5M2, 70'000, 6);
  TableSearch search(Codec::kE5M2);
  search.Add(large);
  search.Add(small);
  const TableSet tables = search.Build();
  ChunkEncoder used(tables);
  std::vector<uint8_t> stored;
  used.Encode(large, &stored);
  used.Encode(small, &stored);
  std::vector<uint8_t> fresh;
  ChunkEncoder(tables).Encode(small, &fresh);
  EXPECT_EQ(stored, fresh);
}

// The size is that of the codes plus what the layout adds, so a tail that is not cut is noticed.
TEST(ChunkEncoderTest, OneSymbolTakesNoWordsToSpeakOf) {
  const std::vector<uint8_t> weights = MakeWeights("one_symbol", Codec::kE4M3, kTileWeights, 7);
  std::vector<uint8_t> stored;
  ChunkEncoder(TablesFor(Codec::kE4M3, weights)).Encode(weights, &stored);
  EXPECT_EQ(stored.size(), 16 + 32 + kTileWeights / 2);
}

}  // namespace
}  // namespace ecf8
