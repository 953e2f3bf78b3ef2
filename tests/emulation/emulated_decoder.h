// decoder/tile_decode_cuda.cu on the emulator, for tests and measurements.
#ifndef ECF8_TESTS_EMULATION_EMULATED_DECODER_H_
#define ECF8_TESTS_EMULATION_EMULATED_DECODER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "decoder/chunk_decoder.h"
#include "decoder/code_table.h"
#include "decoder/tile_batch.h"
#include "decoder/tile_decode_cuda.h"
#include "tests/emulation/device_memory.h"

namespace ecf8::emulation {

// The kernel's functions, or those of a broken copy of it.
struct TileDecodeFunctions {
  int (*prepare)(TileDecodeShape* shape);
  int (*launch)(const TileDecodeShape& shape, const TileWork& work, void* stream);
};
extern const TileDecodeFunctions kTileDecode;

// Collects ranges of chunks with their outputs, each in a device buffer of its exact size, and runs
// them in one launch.
class EmulatedDecoder {
 public:
  explicit EmulatedDecoder(const TileDecodeFunctions& functions = kTileDecode)
      : functions_(functions) {}

  // Copies the tables to the device.
  size_t AddTables(const TableSet& tables);
  // As TileBatch::Add. The chunk's bytes are copied.
  absl::Status Add(const ChunkView& chunk, size_t tables, size_t first_tile, size_t tile_count);

  // Runs what was added, with all tiles of a group of tables in one block if `one_block`. INTERNAL
  // with the emulator's error if the kernel did something wrong; else what CheckErrors says.
  absl::Status Run(bool one_block = false);

  // What the n-th Add that succeeded has decoded. Bytes that the kernel has not written are kUnset.
  static constexpr uint8_t kUnset = 0xA5;
  absl::Span<const uint8_t> output(size_t n) const { return outputs_[n]->span(); }
  // The tiles' errors, of the last run.
  absl::Span<const uint8_t> errors() const { return errors_; }

 private:
  const TileDecodeFunctions functions_;
  TileBatch batch_;
  std::vector<std::unique_ptr<DeviceBuffer>> inputs_;
  std::vector<std::unique_ptr<DeviceBuffer>> outputs_;
  std::vector<uint8_t> errors_;
};

}  // namespace ecf8::emulation

#endif  // ECF8_TESTS_EMULATION_EMULATED_DECODER_H_
