// A fuzzer's bytes as a chunk to decode, with tables and what the oracle says of it.
//
// Input: codec and shape (1 byte), seed of the tables (1), weights (3, little-endian), chunk bytes.
#ifndef ECF8_TESTS_FUZZ_CHUNK_INPUT_H_
#define ECF8_TESTS_FUZZ_CHUNK_INPUT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "decoder/code_table.h"
#include "decoder/format.h"

namespace ecf8 {

struct ChunkInput {
  Codec codec;
  const TableSet* tables;  // for ever
  size_t weights;
  std::vector<uint8_t> stored;
  std::optional<std::vector<uint8_t>> expected;  // nullopt: it cannot be decoded
};

// nullopt where the bytes are too few.
std::optional<ChunkInput> MakeChunkInput(const uint8_t* data, size_t size);

}  // namespace ecf8

#endif  // ECF8_TESTS_FUZZ_CHUNK_INPUT_H_
