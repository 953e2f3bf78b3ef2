// Chunks of the first release of the format, decoded for ever: tests/golden/codec/README.md.
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <ostream>
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
#include "tests/support/oracle.h"

namespace ecf8 {
namespace {

struct Golden {
  std::string name;
  Codec codec;
  std::string kind;
  size_t weights;
  uint64_t xxh3;  // of the weights
};

// How GoogleTest names a golden file; else it prints the bytes of the struct.
void PrintTo(const Golden& golden, std::ostream* os) { *os << golden.name; }

const std::vector<Golden>& Goldens() {
  static const auto& goldens = *new std::vector<Golden>{
      {"e4m3-mixed", Codec::kE4M3, "mixed", 70'001, 6039057757029851321U},
      {"e4m3-fibonacci", Codec::kE4M3, "fibonacci", 32'768, 17252131045407800589U},
      {"e5m2-mixed", Codec::kE5M2, "mixed", 70'001, 11034187328680945634U},
      {"e5m2-fibonacci", Codec::kE5M2, "fibonacci", 32'768, 2078930538408001727U},
  };
  return goldens;
}

std::string Path(const Golden& golden, const std::string& part) {
  return std::string(ECF8_SOURCE_DIR) + "/tests/golden/codec/" + golden.name + "." + part;
}

std::vector<uint8_t> Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> read((std::istreambuf_iterator<char>(file)), {});
  return {read.begin(), read.end()};
}

class GoldenTest : public testing::TestWithParam<Golden> {};

TEST_P(GoldenTest, EveryDecoderReadsIt) {
  const Golden& golden = GetParam();
  const std::vector<uint8_t> table_bytes = Read(Path(golden, "tables"));
  const std::vector<uint8_t> stored = Read(Path(golden, "chunk"));
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
  const auto format = static_cast<oracle::Format>(golden.codec);
  const auto oracle_tables = oracle::ParseTables(format, table_bytes);
  ASSERT_TRUE(oracle_tables.has_value());
  const auto expected = oracle::DecodeChunk(format, *oracle_tables, stored, golden.weights);
  ASSERT_TRUE(expected.has_value());
  EXPECT_EQ(Xxh3(*expected), golden.xxh3);
}

// Makes a golden file; run by hand when a format version is born, never to mend a failing test.
TEST_P(GoldenTest, DISABLED_Write) {
  const Golden& golden = GetParam();
  const std::vector<uint8_t> weights = MakeWeights(golden.kind, golden.codec, golden.weights, 1);
  TableSearch search(golden.codec);
  search.Add(weights);
  const TableSet tables = search.Build();
  std::vector<uint8_t> stored;
  ChunkEncoder(tables).Encode(weights, &stored);
  const std::vector<uint8_t> table_bytes = tables.Serialize();
  std::ofstream(Path(golden, "tables"), std::ios::binary)
      .write(reinterpret_cast<const char*>(table_bytes.data()),
             static_cast<std::streamsize>(table_bytes.size()));
  std::ofstream(Path(golden, "chunk"), std::ios::binary)
      .write(reinterpret_cast<const char*>(stored.data()),
             static_cast<std::streamsize>(stored.size()));
  RecordProperty("xxh3", std::to_string(Xxh3(weights)));
  EXPECT_EQ(Xxh3(weights), golden.xxh3);
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenTest, testing::ValuesIn(Goldens()),
                         [](const auto& param_info) {
                           std::string name = param_info.param.name;
                           name[4] = '_';
                           return name;
                         });

}  // namespace
}  // namespace ecf8
