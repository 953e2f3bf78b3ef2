#include "decoder/chunk_decoder.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "decoder/chunk_encoder.h"
#include "decoder/table_search.h"
#include "gtest/gtest.h"
#include "tests/decoder/weight_samples.h"

namespace ecf8 {
namespace {

constexpr size_t kWeights = 2 * kTileWeights;

class ChunkDecoderTest : public testing::Test {
 protected:
  ChunkDecoderTest()
      : weights_(MakeWeights("mixed", Codec::kE4M3, kWeights, 1)),
        tables_(TablesFor(Codec::kE4M3, weights_)) {
    ChunkEncoder(tables_).Encode(weights_, &stored_);
    EXPECT_LT(stored_.size(), weights_.size());
  }

  ChunkView View() const { return {Codec::kE4M3, stored_, kWeights}; }

  std::vector<uint8_t> weights_;
  TableSet tables_;
  std::vector<uint8_t> stored_;
  std::vector<uint8_t> out_ = std::vector<uint8_t>(kWeights);
};

TEST_F(ChunkDecoderTest, DecodesAWholeChunk) {
  ASSERT_TRUE(DecodeChunk(View(), &tables_, absl::MakeSpan(out_)).ok());
  EXPECT_EQ(out_, weights_);
}

TEST_F(ChunkDecoderTest, CopiesRawChunksWithoutTables) {
  for (const Codec codec : {Codec::kRaw, Codec::kE4M3, Codec::kE5M2}) {
    const ChunkView raw = {codec, weights_, kWeights};
    ASSERT_TRUE(DecodeChunk(raw, nullptr, absl::MakeSpan(out_)).ok());
    EXPECT_EQ(out_, weights_);
    std::vector<uint8_t> tile(kTileWeights);
    ASSERT_TRUE(DecodeTiles(raw, nullptr, 1, 1, absl::MakeSpan(tile)).ok());
    EXPECT_TRUE(std::equal(tile.begin(), tile.end(), weights_.begin() + kTileWeights));
  }
}

TEST_F(ChunkDecoderTest, RefusesARawChunkOfAnotherSize) {
  const ChunkView raw = {Codec::kRaw, stored_, kWeights};
  EXPECT_EQ(DecodeChunk(raw, nullptr, absl::MakeSpan(out_)).code(), absl::StatusCode::kDataLoss);
}

TEST_F(ChunkDecoderTest, RefusesWrongRequests) {
  const auto out = absl::MakeSpan(out_);
  const auto invalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(DecodeChunk(View(), nullptr, out).code(), invalid);
  EXPECT_EQ(DecodeChunk(View(), &tables_, out.subspan(1)).code(), invalid);
  EXPECT_EQ(DecodeTiles(View(), &tables_, 0, 3, out).code(), invalid);
  EXPECT_EQ(DecodeTiles(View(), &tables_, 3, 0, out.subspan(0, 0)).code(), invalid);
  EXPECT_EQ(DecodeTiles(View(), &tables_, 1, SIZE_MAX, out).code(), invalid);
  const TableSet other = TableSearch(Codec::kE5M2).Build();
  EXPECT_EQ(DecodeChunk(View(), &other, out).code(), invalid);
  ChunkView unknown = View();
  unknown.codec = static_cast<Codec>(3);
  EXPECT_EQ(DecodeChunk(unknown, &tables_, out).code(), invalid);
  std::vector<uint8_t> large(kChunkWeights + 1);
  const ChunkView too_large = {Codec::kRaw, large, large.size()};
  EXPECT_EQ(DecodeChunk(too_large, nullptr, absl::MakeSpan(large)).code(), invalid);
}

TEST_F(ChunkDecoderTest, NamesTheDamage) {
  const auto loss = absl::StatusCode::kDataLoss;
  for (const size_t offset : {0, 1, 63, 65, 1 << 20, -2}) {
    std::vector<uint8_t> damaged = stored_;
    for (int i = 0; i < 4; ++i) damaged[4 + i] = static_cast<uint8_t>(offset >> (8 * i));
    const ChunkView view = {Codec::kE4M3, damaged, kWeights};
    const absl::Status status = DecodeChunk(view, &tables_, absl::MakeSpan(out_));
    EXPECT_EQ(status.code(), loss) << offset;
    EXPECT_NE(status.message().find("tile 1"), std::string::npos) << status;
    // The tile before it is whole.
    EXPECT_TRUE(
        DecodeTiles(view, &tables_, 0, 1, absl::MakeSpan(out_).subspan(0, kTileWeights)).ok());
  }
  std::vector<uint8_t> damaged = stored_;
  damaged[16 + 33] = 0xF0;
  const absl::Status status =
      DecodeChunk({Codec::kE4M3, damaged, kWeights}, &tables_, absl::MakeSpan(out_));
  EXPECT_EQ(status.code(), loss);
  EXPECT_NE(status.message().find("group 67"), std::string::npos) << status;
}

}  // namespace
}  // namespace ecf8
