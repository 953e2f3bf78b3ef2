// The golden chunks: what tests/golden/codec/README.md describes.
#ifndef ECF8_TESTS_SUPPORT_GOLDEN_CHUNKS_H_
#define ECF8_TESTS_SUPPORT_GOLDEN_CHUNKS_H_

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "decoder/format.h"

namespace ecf8::testing {

struct GoldenChunk {
  std::string name;
  Codec codec;
  std::string kind;  // of MakeWeights
  size_t weights;
  uint64_t xxh3;  // of the weights
};

const std::vector<GoldenChunk>& GoldenChunks();

// How GoogleTest names one; else it prints the bytes of the struct.
void PrintTo(const GoldenChunk& golden, std::ostream* out);

// Where its part "tables" or "chunk" is: in the source tree, or in $ECF8_GOLDEN_CHUNKS.
std::string GoldenPath(const GoldenChunk& golden, const std::string& part);
// The file's bytes; none where it cannot be read.
std::vector<uint8_t> ReadGolden(const GoldenChunk& golden, const std::string& part);

// What the oracle makes of it; empty where that is nothing.
std::vector<uint8_t> OracleWeights(const GoldenChunk& golden);

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_GOLDEN_CHUNKS_H_
