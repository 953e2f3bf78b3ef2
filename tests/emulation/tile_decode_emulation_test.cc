// The CUDA kernel in the emulator against the oracle, on good and on bad bytes.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "decoder/chunk_encoder.h"
#include "decoder/chunk_layout.h"
#include "decoder/endian.h"
#include "decoder/table_search.h"
#include "gtest/gtest.h"
#include "tests/decoder/weight_samples.h"
#include "tests/emulation/emulated_decoder.h"
#include "tests/emulation/warp_emulator.h"
#include "tests/support/golden_chunks.h"
#include "tests/support/oracle.h"

namespace ecf8::emulation {
namespace {

using Bytes = std::vector<uint8_t>;

struct Encoded {
  TableSet tables;
  Bytes stored;
};

Encoded EncodeAll(Codec codec, absl::Span<const uint8_t> weights) {
  Encoded encoded = {TablesFor(codec, weights), {}};
  ChunkEncoder(encoded.tables).Encode(weights, &encoded.stored);
  return encoded;
}

std::optional<Bytes> OracleDecode(Codec codec, const TableSet& tables, const Bytes& stored,
                                  size_t weights) {
  const auto format = static_cast<oracle::Format>(codec);
  return oracle::DecodeChunk(format, oracle::ParseTables(format, tables.Serialize()).value(),
                             stored, weights);
}

Bytes ToBytes(absl::Span<const uint8_t> span) { return {span.begin(), span.end()}; }

class TileDecodeEmulationTest : public ::testing::TestWithParam<Codec> {
 protected:
  ~TileDecodeEmulationTest() override { Device() = DeviceProperties(); }

  void ExpectAsOracle(const TableSet& tables, const Bytes& stored, size_t weights,
                      const std::string& what) const {
    const auto expected = OracleDecode(GetParam(), tables, stored, weights);
    EmulatedDecoder decoder;
    absl::Status status = decoder.Add({GetParam(), stored, weights}, decoder.AddTables(tables), 0,
                                      TileCount(weights));
    if (status.ok()) status = decoder.Run();
    if (!expected.has_value()) {
      ASSERT_EQ(status.code(), absl::StatusCode::kDataLoss) << what << ": " << status;
      return;
    }
    ASSERT_TRUE(status.ok()) << what << ": " << status;
    ASSERT_TRUE(ToBytes(decoder.output(0)) == *expected) << what;
  }
};

TEST_P(TileDecodeEmulationTest, RoundTripsEverySizeAndKind) {
  constexpr std::array<size_t, 14> kSizes = {0,   1,    15,   16,   17,     511,    512,
                                             513, 1023, 1024, 1025, 16'895, 32'768, 33'000};
  for (const std::string_view kind : WeightKinds()) {
    for (const size_t size : kSizes) {
      const Bytes weights = MakeWeights(kind, GetParam(), size, size + 1);
      const Encoded encoded = EncodeAll(GetParam(), weights);
      Device().schedule = size;
      ExpectAsOracle(encoded.tables, encoded.stored, size,
                     std::string(kind) + " " + std::to_string(size));
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(TileDecodeEmulationTest, DecodesAWholeChunk) {
  const Bytes weights = MakeWeights("mixed", GetParam(), kChunkWeights, 3);
  const Encoded encoded = EncodeAll(GetParam(), weights);
  ASSERT_LT(encoded.stored.size(), weights.size());
  ExpectAsOracle(encoded.tables, encoded.stored, weights.size(), "chunk");
}

TEST_P(TileDecodeEmulationTest, DecodesAnyRangeOfTiles) {
  const size_t size = 3 * kTileWeights + 1000;
  const Bytes weights = MakeWeights("mixed", GetParam(), size, 11);
  const Encoded encoded = EncodeAll(GetParam(), weights);
  ASSERT_LT(encoded.stored.size(), size);
  for (size_t first = 0; first <= 4; ++first) {
    for (size_t count = 0; count <= 4 - first; ++count) {
      EmulatedDecoder decoder;
      ASSERT_TRUE(decoder
                      .Add({GetParam(), encoded.stored, size}, decoder.AddTables(encoded.tables),
                           first, count)
                      .ok());
      ASSERT_TRUE(decoder.Run().ok());
      const auto begin = weights.begin() + static_cast<ptrdiff_t>(first * kTileWeights);
      const absl::Span<const uint8_t> got = decoder.output(0);
      ASSERT_EQ(got.size(), TileRangeWeights(size, first, count));
      ASSERT_TRUE(std::equal(got.begin(), got.end(), begin)) << first << " + " << count;
    }
  }
}

// Every byte of the offsets and table numbers takes several values; then bytes anywhere.
TEST_P(TileDecodeEmulationTest, AgreesWithTheOracleOnDamagedChunks) {
  const size_t size = kTileWeights + 3 * kGroupWeights + 5;
  const Encoded encoded = EncodeAll(GetParam(), MakeWeights("mixed", GetParam(), size, 12));
  ASSERT_LT(encoded.stored.size(), size);
  TestRandom random(13);
  const size_t header = 16 + 48;
  for (int round = 0; round < 80; ++round) {
    Bytes damaged = encoded.stored;
    const size_t at =
        round < 64 ? static_cast<size_t>(round) % header : random.Below(damaged.size());
    damaged[at] = static_cast<uint8_t>(random.Next());
    if (round % 5 == 0) damaged[at % 8] ^= 0x80;
    ExpectAsOracle(encoded.tables, damaged, size, "round " + std::to_string(round));
    if (HasFatalFailure()) return;
  }
}

TEST_P(TileDecodeEmulationTest, AgreesWithTheOracleOnTruncatedChunks) {
  const size_t size = kTileWeights;
  const Encoded encoded = EncodeAll(GetParam(), MakeWeights("mixed", GetParam(), size, 14));
  for (size_t cut = 1; cut < encoded.stored.size(); cut = cut * 2 + 7) {
    Bytes truncated = encoded.stored;
    truncated.resize(truncated.size() - cut);
    ExpectAsOracle(encoded.tables, truncated, size, "cut by " + std::to_string(cut));
    truncated.resize(truncated.size() / 16 * 16);
    ExpectAsOracle(encoded.tables, truncated, size, "cut to a multiple of 16");
    if (HasFatalFailure()) return;
  }
}

// Small chunks whose words are noise and whose tiles begin anywhere, many in one launch. Half of
// them have a header that passes the checks. ECF8_EMULATION_STREAMS says how many.
TEST_P(TileDecodeEmulationTest, AgreesWithTheOracleOnFuzzedStreams) {
  const char* wanted = std::getenv("ECF8_EMULATION_STREAMS");
  const size_t streams = wanted == nullptr ? 400 : std::strtoull(wanted, nullptr, 10);
  constexpr size_t kBatch = 100;
  constexpr std::array<std::string_view, 3> kKinds = {"fibonacci", "mixed", "two_symbols"};
  Device().max_threads = kWarpLanes;
  for (size_t done = 0; done < streams; done += kBatch) {
    TestRandom random(done);
    const std::string_view kind = kKinds[random.Below(kKinds.size())];
    const TableSet tables = TablesFor(GetParam(), MakeWeights(kind, GetParam(), 20'000, done));
    const auto format = static_cast<oracle::Format>(GetParam());
    const auto oracle_tables = oracle::ParseTables(format, tables.Serialize()).value();
    Device().schedule = done;
    EmulatedDecoder decoder;
    const size_t device_tables = decoder.AddTables(tables);
    std::vector<std::optional<Bytes>> expected;
    while (expected.size() < kBatch) {
      const size_t groups = 1 + random.Below(random.Below(8) == 0 ? 12 : 3);
      const size_t weights = groups * kGroupWeights - random.Below(kGroupWeights);
      const ChunkLayout layout(GetParam(), weights);
      const size_t most = (weights - 1) / 16 * 16;
      if (layout.words_begin + layout.raw_size > most) continue;  // too small to be coded
      const size_t room = (most - layout.words_begin - layout.raw_size) / 16;
      const size_t raw = layout.words_begin + 16 * random.Below(room + 1);
      Bytes stored(raw + layout.raw_size);
      for (uint8_t& byte : stored) byte = static_cast<uint8_t>(random.Next() >> 20);
      if (random.Below(2) == 0) {
        for (size_t at = layout.tables_begin; at < layout.words_begin; ++at) {
          const size_t low = random.Below(tables.size());
          stored[at] = static_cast<uint8_t>(low | random.Below(tables.size()) << 4);
        }
        const size_t words = (raw - layout.words_begin) / 2;
        StoreLe32(stored.data(),
                  static_cast<uint32_t>(layout.words_begin + 2 * random.Below(words + 1)));
      }
      ASSERT_TRUE(decoder.Add({GetParam(), stored, weights}, device_tables, 0, 1).ok());
      expected.push_back(oracle::DecodeChunk(format, oracle_tables, stored, weights));
    }
    const absl::Status status = decoder.Run(/*one_block=*/true);
    ASSERT_NE(status.code(), absl::StatusCode::kInternal) << status;
    ASSERT_EQ(decoder.errors().size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(decoder.errors()[i] == 0, expected[i].has_value()) << done << " + " << i;
      if (!expected[i].has_value()) continue;
      ASSERT_TRUE(ToBytes(decoder.output(i)) == *expected[i]) << done << " + " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Codecs, TileDecodeEmulationTest,
                         ::testing::Values(Codec::kE4M3, Codec::kE5M2), [](const auto& param_info) {
                           return param_info.param == Codec::kE4M3 ? "E4M3" : "E5M2";
                         });

// One launch: chunks of both codecs with tables of their own, raw ones, ragged ends.
TEST(TileDecodeBatchTest, DecodesManyTensorsInOneLaunch) {
  EmulatedDecoder decoder;
  std::vector<Bytes> expected;
  for (const Codec codec : {Codec::kE4M3, Codec::kE5M2, Codec::kE4M3}) {
    const Bytes all = MakeWeights("mixed", codec, 80'000, expected.size());
    const TableSet tables = TablesFor(codec, all);
    const size_t number = decoder.AddTables(tables);
    size_t begin = 0;
    for (const size_t size : {40'001, 700, 1, 34'000}) {
      const Bytes weights(all.begin() + static_cast<ptrdiff_t>(begin),
                          all.begin() + static_cast<ptrdiff_t>(begin + size));
      begin += size;
      Bytes stored;
      ChunkEncoder(tables).Encode(weights, &stored);
      ASSERT_TRUE(decoder.Add({codec, stored, size}, number, 0, TileCount(size)).ok());
      expected.push_back(weights);
    }
    for (const size_t size : {1, 16, 100, 2'048, 70'003}) {
      const Bytes bytes = MakeWeights("noise", Codec::kE4M3, size, size);
      ASSERT_TRUE(decoder.Add({Codec::kRaw, bytes, size}, 0, 0, TileCount(size)).ok());
      expected.push_back(bytes);
    }
  }
  const absl::Status status = decoder.Run();
  ASSERT_TRUE(status.ok()) << status;
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_TRUE(ToBytes(decoder.output(i)) == expected[i]) << i;
  }
}

TEST(TileDecodeBatchTest, ABadTileHarmsNoOther) {
  const Bytes weights = MakeWeights("mixed", Codec::kE4M3, 3 * kTileWeights, 5);
  Encoded encoded = EncodeAll(Codec::kE4M3, weights);
  encoded.stored[4] |= 1;  // tile 1 begins at an odd byte
  EmulatedDecoder decoder;
  const size_t tables = decoder.AddTables(encoded.tables);
  const ChunkView chunk = {Codec::kE4M3, encoded.stored, weights.size()};
  ASSERT_TRUE(decoder.Add({Codec::kRaw, weights, weights.size()}, 0, 0, 3).ok());
  ASSERT_TRUE(decoder.Add(chunk, tables, 0, 3).ok());
  const absl::Status status = decoder.Run();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(status.message(), "range 1, tile 1: its words begin at no possible place");
  EXPECT_TRUE(ToBytes(decoder.output(0)) == weights);
  for (const size_t tile : {0, 2}) {
    const size_t at = tile * kTileWeights;
    EXPECT_TRUE(std::equal(weights.begin() + static_cast<ptrdiff_t>(at),
                           weights.begin() + static_cast<ptrdiff_t>(at + kTileWeights),
                           decoder.output(1).begin() + at));
  }
}

TEST(TileDecodeGoldenTest, ReadsEveryGoldenChunk) {
  for (const testing::GoldenChunk& golden : testing::GoldenChunks()) {
    const auto tables = TableSet::Parse(golden.codec, testing::ReadGolden(golden, "tables"));
    ASSERT_TRUE(tables.ok()) << golden.name;
    const Bytes expected = testing::OracleWeights(golden);
    ASSERT_EQ(expected.size(), golden.weights);
    EmulatedDecoder decoder;
    ASSERT_TRUE(decoder
                    .Add({golden.codec, testing::ReadGolden(golden, "chunk"), golden.weights},
                         decoder.AddTables(*tables), 0, TileCount(golden.weights))
                    .ok());
    const absl::Status status = decoder.Run();
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_TRUE(ToBytes(decoder.output(0)) == expected) << golden.name;
  }
}

}  // namespace
}  // namespace ecf8::emulation
