// Every decoder of this machine against the oracle, on good and on bad bytes, with memory laid out
// so that a single byte read or written out of bounds ends the program.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "decoder/chunk_decoder.h"
#include "decoder/chunk_encoder.h"
#include "decoder/decoders.h"
#include "decoder/table_search.h"
#include "gtest/gtest.h"
#include "tests/decoder/guarded_buffer.h"
#include "tests/decoder/weight_samples.h"
#include "tests/support/oracle.h"

namespace ecf8 {
namespace {

struct Encoded {
  TableSet tables;
  std::vector<uint8_t> stored;
};

Encoded EncodeAll(Codec codec, absl::Span<const uint8_t> weights) {
  TableSearch search(codec);
  search.Add(weights);
  Encoded encoded = {search.Build(), {}};
  ChunkEncoder(encoded.tables).Encode(weights, &encoded.stored);
  return encoded;
}

std::optional<std::vector<uint8_t>> OracleDecode(Codec codec, const TableSet& tables,
                                                 const std::vector<uint8_t>& stored,
                                                 size_t weights) {
  const auto format = static_cast<oracle::Format>(codec);
  return oracle::DecodeChunk(format, oracle::ParseTables(format, tables.Serialize()).value(),
                             stored, weights);
}

std::vector<const DecoderImplementation*> Supported() {
  std::vector<const DecoderImplementation*> supported;
  for (const DecoderImplementation& decoder : AllDecoders()) {
    if (decoder.supported()) supported.push_back(&decoder);
  }
  return supported;
}

using Param = std::tuple<const DecoderImplementation*, Codec>;

class DecoderConformanceTest : public testing::TestWithParam<Param> {
 protected:
  const DecoderImplementation& decoder() const { return *std::get<0>(GetParam()); }
  Codec codec() const { return std::get<1>(GetParam()); }

  // Decodes with input and output against guard pages; nullopt if the decoder reports an error.
  std::optional<std::vector<uint8_t>> Decode(const TableSet& tables,
                                             const std::vector<uint8_t>& stored, size_t weights,
                                             GuardedBuffer::Place place, size_t first_tile,
                                             size_t tile_count) const {
    const GuardedBuffer input(stored, place);
    const GuardedBuffer output(TileRangeWeights(weights, first_tile, tile_count), place);
    const ChunkView view = {codec(), input.span(), weights};
    if (!DecodeTilesWith(decoder(), view, &tables, first_tile, tile_count, output.span()).ok()) {
      return std::nullopt;
    }
    return std::vector<uint8_t>(output.span().begin(), output.span().end());
  }

  // The same on heap memory of the exact size, for AddressSanitizer, at an odd address.
  std::optional<std::vector<uint8_t>> DecodeOnHeap(const TableSet& tables,
                                                   const std::vector<uint8_t>& stored,
                                                   size_t weights) const {
    const auto input = std::make_unique<uint8_t[]>(stored.size() + 1);
    std::copy(stored.begin(), stored.end(), input.get() + 1);
    const auto output = std::make_unique<uint8_t[]>(weights + 1);
    const ChunkView view = {codec(), absl::MakeSpan(input.get() + 1, stored.size()), weights};
    if (!DecodeTilesWith(decoder(), view, &tables, 0, TileCount(weights),
                         absl::MakeSpan(output.get() + 1, weights))
             .ok()) {
      return std::nullopt;
    }
    return std::vector<uint8_t>(output.get() + 1, output.get() + 1 + weights);
  }

  void ExpectAsOracle(const TableSet& tables, const std::vector<uint8_t>& stored, size_t weights,
                      const std::string& what) const {
    const auto expected = OracleDecode(codec(), tables, stored, weights);
    const size_t tiles = TileCount(weights);
    for (const auto place : {GuardedBuffer::Place::kAtStart, GuardedBuffer::Place::kAtEnd}) {
      const auto got = Decode(tables, stored, weights, place, 0, tiles);
      ASSERT_EQ(got.has_value(), expected.has_value()) << what;
      ASSERT_TRUE(got == expected) << what;
    }
    ASSERT_TRUE(DecodeOnHeap(tables, stored, weights) == expected) << what;
  }
};

TEST_P(DecoderConformanceTest, RoundTripsEverySizeAndKind) {
  constexpr std::array<size_t, 14> kSizes = {
      0, 1, 15, 16, 511, 512, 513, 16895, 32767, 32768, 32769, 100'000, 1'048'575, 1'048'576};
  for (const std::string_view kind : WeightKinds()) {
    for (const size_t size : kSizes) {
      if (size > 100'000 && kind != "gaussian" && kind != "fibonacci") continue;
      const std::vector<uint8_t> weights = MakeWeights(kind, codec(), size, size + 1);
      const Encoded encoded = EncodeAll(codec(), weights);
      const std::string what = std::string(kind) + " " + std::to_string(size);
      ASSERT_LE(encoded.stored.size(), weights.size()) << what;
      ASSERT_TRUE(OracleDecode(codec(), encoded.tables, encoded.stored, size) == weights) << what;
      ExpectAsOracle(encoded.tables, encoded.stored, size, what);
    }
  }
}

TEST_P(DecoderConformanceTest, DecodesAnyRangeOfTiles) {
  const size_t size = 5 * kTileWeights + 1000;
  const std::vector<uint8_t> weights = MakeWeights("mixed", codec(), size, 11);
  const Encoded encoded = EncodeAll(codec(), weights);
  ASSERT_LT(encoded.stored.size(), size);
  for (size_t first = 0; first <= 6; ++first) {
    for (size_t count = 0; count <= 6 - first; ++count) {
      const auto got =
          Decode(encoded.tables, encoded.stored, size, GuardedBuffer::Place::kAtEnd, first, count);
      ASSERT_TRUE(got.has_value());
      const auto begin = weights.begin() + static_cast<ptrdiff_t>(first * kTileWeights);
      ASSERT_TRUE(std::equal(got->begin(), got->end(), begin)) << first << " + " << count;
      ASSERT_EQ(got->size(), TileRangeWeights(size, first, count));
    }
  }
}

// Every byte of the offsets and table numbers takes several values; then bytes anywhere.
TEST_P(DecoderConformanceTest, AgreesWithTheOracleOnDamagedChunks) {
  const size_t size = kTileWeights + 3 * kGroupWeights + 5;
  const Encoded encoded = EncodeAll(codec(), MakeWeights("mixed", codec(), size, 12));
  ASSERT_LT(encoded.stored.size(), size);
  TestRandom random(13);
  const size_t header = 16 + 48;
  for (int round = 0; round < 300; ++round) {
    std::vector<uint8_t> damaged = encoded.stored;
    const size_t at =
        round < 192 ? static_cast<size_t>(round) % header : random.Below(damaged.size());
    damaged[at] = static_cast<uint8_t>(random.Next());
    if (round % 5 == 0) damaged[at % 8] ^= 0x80;
    ExpectAsOracle(encoded.tables, damaged, size, "round " + std::to_string(round));
    if (HasFatalFailure()) return;
  }
}

TEST_P(DecoderConformanceTest, AgreesWithTheOracleOnTruncatedChunks) {
  const size_t size = 2 * kTileWeights;
  const Encoded encoded = EncodeAll(codec(), MakeWeights("mixed", codec(), size, 14));
  for (size_t cut = 1; cut < encoded.stored.size(); cut = cut * 3 / 2 + 7) {
    std::vector<uint8_t> truncated = encoded.stored;
    truncated.resize(truncated.size() - cut);
    ExpectAsOracle(encoded.tables, truncated, size, "cut by " + std::to_string(cut));
    truncated.resize(truncated.size() / 16 * 16);
    ExpectAsOracle(encoded.tables, truncated, size, "cut to a multiple of 16");
    if (HasFatalFailure()) return;
  }
}

// Random bytes behind a header that passes the checks, with tiles that start at the very end.
TEST_P(DecoderConformanceTest, AgreesWithTheOracleOnRandomWords) {
  TestRandom random(15);
  const Encoded encoded = EncodeAll(codec(), MakeWeights("fibonacci", codec(), 200'000, 16));
  const size_t group_raw = codec() == Codec::kE4M3 ? 256 : 192;
  for (int round = 0; round < 200; ++round) {
    const size_t groups = 3 + random.Below(70);
    const size_t weights = groups * kGroupWeights - random.Below(kGroupWeights);
    const size_t words = 16 + (groups + 31) / 32 * 16;
    const size_t raw = words + 16 * random.Below(groups);
    std::vector<uint8_t> stored(raw + groups * group_raw);
    if (stored.size() >= weights) continue;
    for (uint8_t& byte : stored) byte = static_cast<uint8_t>(random.Next());
    for (size_t i = 16; i < words; ++i) stored[i] = 0;
    for (size_t tile = 0; tile < 2; ++tile) {
      const size_t offset = round % 2 == 0 ? raw : words + 2 * random.Below((raw - words) / 2 + 1);
      for (size_t i = 0; i < 4; ++i) stored[tile * 4 + i] = static_cast<uint8_t>(offset >> (8 * i));
    }
    ASSERT_TRUE(OracleDecode(codec(), encoded.tables, stored, weights).has_value());
    ExpectAsOracle(encoded.tables, stored, weights, "round " + std::to_string(round));
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Decoders, DecoderConformanceTest,
                         testing::Combine(testing::ValuesIn(Supported()),
                                          testing::Values(Codec::kE4M3, Codec::kE5M2)),
                         [](const auto& param_info) {
                           return std::string(std::get<0>(param_info.param)->name) +
                                  (std::get<1>(param_info.param) == Codec::kE4M3 ? "E4M3" : "E5M2");
                         });

}  // namespace
}  // namespace ecf8
