// A compressed model's chunks, with what the oracle says of them: to decode all of it by some other
// means and compare.
#ifndef ECF8_TESTS_SUPPORT_MODEL_CHUNKS_H_
#define ECF8_TESTS_SUPPORT_MODEL_CHUNKS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "decoder/format.h"
#include "loader/model/compressed_model.h"

namespace ecf8::testing {

struct ExpectedChunk {
  Codec codec;
  std::vector<uint8_t> stored;
  std::vector<uint8_t> weights;
};

struct ExpectedUnit {
  std::string id;
  UnitTables tables;
  std::vector<ExpectedChunk> chunks;
};

struct ChunkFilter {
  uint64_t every = 1;       // of the model's chunks, only each so-manieth
  bool only_coded = false;  // none of tensors that are stored raw
};

// Calls `visit` with each unit, in order, until it returns an error. That error, or why a unit
// could not be read.
absl::Status ForEachUnit(const CompressedModel& model, const ChunkFilter& filter,
                         const std::function<absl::Status(const ExpectedUnit&)>& visit);

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_MODEL_CHUNKS_H_
