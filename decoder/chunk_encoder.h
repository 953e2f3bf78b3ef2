// Encodes the weights of one chunk.
#ifndef ECF8_DECODER_CHUNK_ENCODER_H_
#define ECF8_DECODER_CHUNK_ENCODER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/encoders.h"
#include "decoder/format.h"

namespace ecf8 {

// Thread-compatible: one object a thread, any number of objects on one TableSet.
class ChunkEncoder {
 public:
  // `tables` must outlive the encoder.
  explicit ChunkEncoder(const TableSet& tables);
  // The same with a chosen implementation (which must be supported): for tests and benchmarks.
  ChunkEncoder(const TableSet& tables, const EncoderImplementation& encoder);
  ~ChunkEncoder();
  ChunkEncoder(const ChunkEncoder&) = delete;
  ChunkEncoder& operator=(const ChunkEncoder&) = delete;

  // Replaces *stored by the stored form of `weights` (at most kChunkWeights): the coded chunk, a
  // multiple of 16 bytes and smaller than `weights`; or, if coding does not shrink it (or no table
  // has one of its symbols), exactly a copy of `weights`. So `stored->size() == weights.size()`
  // tells a raw chunk. Every group takes the table that codes it in the fewest bits. The result
  // depends only on the tables and the weights.
  void Encode(absl::Span<const uint8_t> weights, std::vector<uint8_t>* stored);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ecf8

#endif  // ECF8_DECODER_CHUNK_ENCODER_H_
