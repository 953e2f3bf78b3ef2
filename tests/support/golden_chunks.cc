#include "tests/support/golden_chunks.h"

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "tests/support/oracle.h"

namespace ecf8::testing {

const std::vector<GoldenChunk>& GoldenChunks() {
  static const auto& goldens = *new std::vector<GoldenChunk>{
      {"e4m3-mixed", Codec::kE4M3, "mixed", 70'001, 6039057757029851321U},
      {"e4m3-fibonacci", Codec::kE4M3, "fibonacci", 32'768, 17252131045407800589U},
      {"e5m2-mixed", Codec::kE5M2, "mixed", 70'001, 11034187328680945634U},
      {"e5m2-fibonacci", Codec::kE5M2, "fibonacci", 32'768, 2078930538408001727U},
  };
  return goldens;
}

void PrintTo(const GoldenChunk& golden, std::ostream* out) { *out << golden.name; }

std::string GoldenPath(const GoldenChunk& golden, const std::string& part) {
  const char* const elsewhere = std::getenv("ECF8_GOLDEN_CHUNKS");
  return std::string(elsewhere != nullptr ? elsewhere : ECF8_GOLDEN_CHUNKS) + "/" + golden.name +
         "." + part;
}

std::vector<uint8_t> ReadGolden(const GoldenChunk& golden, const std::string& part) {
  std::ifstream file(GoldenPath(golden, part), std::ios::binary);
  const std::vector<char> read((std::istreambuf_iterator<char>(file)), {});
  return {read.begin(), read.end()};
}

std::vector<uint8_t> OracleWeights(const GoldenChunk& golden) {
  const auto format = static_cast<oracle::Format>(golden.codec);
  const auto tables = oracle::ParseTables(format, ReadGolden(golden, "tables"));
  if (!tables.has_value()) return {};
  return oracle::DecodeChunk(format, *tables, ReadGolden(golden, "chunk"), golden.weights)
      .value_or(std::vector<uint8_t>());
}

}  // namespace ecf8::testing
