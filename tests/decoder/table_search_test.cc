#include "decoder/table_search.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "decoder/chunk_encoder.h"
#include "decoder/encoders.h"
#include "gtest/gtest.h"
#include "tests/decoder/weight_samples.h"

namespace ecf8 {
namespace {

TEST(TableSearchTest, NothingAddedGivesAValidTable) {
  for (const Codec codec : {Codec::kE4M3, Codec::kE5M2}) {
    const TableSet tables = TableSearch(codec).Build();
    EXPECT_EQ(tables.size(), 1u);
    EXPECT_TRUE(TableSet::Parse(codec, tables.Serialize()).ok());
  }
}

TEST(TableSearchTest, IsDeterministic) {
  const std::vector<uint8_t> weights = MakeWeights("mixed", Codec::kE4M3, 300'000, 1);
  TableSearch first(Codec::kE4M3);
  TableSearch second(Codec::kE4M3);
  first.Add(weights);
  second.Add(weights);
  const std::vector<uint8_t> built = first.Build().Serialize();
  EXPECT_EQ(built, first.Build().Serialize());
  EXPECT_EQ(built, second.Build().Serialize());
}

TEST(TableSearchTest, EveryImplementationBuildsTheSameTables) {
  for (const Codec codec : {Codec::kE4M3, Codec::kE5M2}) {
    const std::vector<uint8_t> weights = MakeWeights("mixed", codec, 700'000, 5);
    TableSearch expected(codec, AllEncoders().back());
    expected.Add(weights);
    for (const EncoderImplementation& encoder : AllEncoders()) {
      if (!encoder.supported()) continue;
      TableSearch search(codec, encoder);
      search.Add(weights);
      EXPECT_EQ(search.Build().Serialize(), expected.Build().Serialize()) << encoder.name;
    }
  }
}

// Half of a group is counted, but no symbol of the other half may be without a code.
TEST(TableSearchTest, CodesSymbolsThatWereNotCounted) {
  for (const Codec codec : {Codec::kE4M3, Codec::kE5M2}) {
    std::vector<uint8_t> weights = MakeWeights("two_symbols", codec, kTileWeights, 6);
    for (size_t lane = 0; lane < kLaneCount; ++lane) weights[lane * (kLaneWeights + 1)] = 0x7A;
    TableSearch search(codec);
    search.Add(weights);
    std::vector<uint8_t> coded;
    ChunkEncoder(search.Build()).Encode(weights, &coded);
    EXPECT_LT(coded.size(), weights.size());
  }
}

TEST(TableSearchTest, TakesOneTableWhereMoreWouldNotPay) {
  TableSearch search(Codec::kE4M3);
  search.Add(MakeWeights("gaussian", Codec::kE4M3, 2 * kGroupWeights, 2));
  EXPECT_EQ(search.Build().size(), 1u);
}

TEST(TableSearchTest, GivesEachKindOfGroupItsTable) {
  const std::vector<uint8_t> weights = MakeWeights("mixed", Codec::kE4M3, kChunkWeights, 3);
  TableSearch search(Codec::kE4M3);
  search.Add(weights);
  const TableSet many = search.Build();
  EXPECT_GT(many.size(), 1u);
  TableSearch gaussian(Codec::kE4M3);
  gaussian.Add(MakeWeights("gaussian", Codec::kE4M3, kChunkWeights, 4));
  std::vector<uint8_t> coded;
  ChunkEncoder(many).Encode(weights, &coded);
  EXPECT_LT(coded.size(), weights.size() * 9 / 10);
}

// Beyond the sample, a symbol may be seen once and never sampled: it must still have a code.
TEST(TableSearchTest, CodesGroupsThatWereNotSampled) {
  std::vector<uint8_t> weights(6 * kChunkWeights);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = i / 3 % 2 == 0 ? 0x31 : 0x2A;
  const size_t odd_group = 8191;
  weights[odd_group * kGroupWeights + 37] = 0x7F;
  TableSearch search(Codec::kE4M3);
  search.Add(weights);
  const TableSet tables = search.Build();
  std::vector<uint8_t> coded;
  ChunkEncoder(tables).Encode(
      absl::MakeSpan(weights).subspan(odd_group / 2048 * kChunkWeights, kChunkWeights), &coded);
  EXPECT_LT(coded.size(), kChunkWeights);
}

}  // namespace
}  // namespace ecf8
