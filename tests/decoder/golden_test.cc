// Chunks of the first release of the format, decoded for ever: tests/golden/codec/README.md.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "decoder/checksum.h"
#include "decoder/chunk_decoder.h"
#include "decoder/chunk_encoder.h"
#include "decoder/code_table.h"
#include "decoder/decoders.h"
#include "decoder/table_search.h"
#include "gtest/gtest.h"
#include "tests/decoder/weight_samples.h"
#include "tests/support/golden_chunks.h"

namespace ecf8 {
namespace {

using testing::GoldenChunk;
using testing::GoldenPath;
using testing::OracleWeights;
using testing::ReadGolden;

class GoldenTest : public ::testing::TestWithParam<GoldenChunk> {};

TEST_P(GoldenTest, EveryDecoderReadsIt) {
  const GoldenChunk& golden = GetParam();
  const std::vector<uint8_t> table_bytes = ReadGolden(golden, "tables");
  const std::vector<uint8_t> stored = ReadGolden(golden, "chunk");
  ASSERT_LT(stored.size(), golden.weights);
  const auto tables = TableSet::Parse(golden.codec, table_bytes);
  ASSERT_TRUE(tables.ok()) << tables.status();
  std::vector<uint8_t> weights(golden.weights);
  for (const DecoderImplementation& decoder : AllDecoders()) {
    if (!decoder.supported()) continue;
    ASSERT_TRUE(DecodeTilesWith(decoder, {golden.codec, stored, golden.weights}, &*tables, 0,
                                TileCount(golden.weights), absl::MakeSpan(weights))
                    .ok());
    EXPECT_EQ(Xxh3(weights), golden.xxh3) << decoder.name;
  }
  EXPECT_EQ(Xxh3(OracleWeights(golden)), golden.xxh3);
}

// Makes a golden file; run by hand when a format version is born, never to mend a failing test.
TEST_P(GoldenTest, DISABLED_Write) {
  const GoldenChunk& golden = GetParam();
  const std::vector<uint8_t> weights = MakeWeights(golden.kind, golden.codec, golden.weights, 1);
  TableSearch search(golden.codec);
  search.Add(weights);
  const TableSet tables = search.Build();
  std::vector<uint8_t> stored;
  ChunkEncoder(tables).Encode(weights, &stored);
  const std::vector<uint8_t> table_bytes = tables.Serialize();
  std::ofstream(GoldenPath(golden, "tables"), std::ios::binary)
      .write(reinterpret_cast<const char*>(table_bytes.data()),
             static_cast<std::streamsize>(table_bytes.size()));
  std::ofstream(GoldenPath(golden, "chunk"), std::ios::binary)
      .write(reinterpret_cast<const char*>(stored.data()),
             static_cast<std::streamsize>(stored.size()));
  RecordProperty("xxh3", std::to_string(Xxh3(weights)));
  EXPECT_EQ(Xxh3(weights), golden.xxh3);
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenTest, ::testing::ValuesIn(testing::GoldenChunks()),
                         [](const auto& param_info) {
                           std::string name = param_info.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace ecf8
