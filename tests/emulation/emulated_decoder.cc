#include "tests/emulation/emulated_decoder.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "decoder/format.h"
#include "decoder/status_macros.h"
#include "tests/emulation/warp_emulator.h"

namespace ecf8::emulation {
namespace {

using Access = DeviceBuffer::Access;

}  // namespace

const TileDecodeFunctions kTileDecode = {PrepareTileDecode, LaunchTileDecode};

size_t EmulatedDecoder::AddTables(const TableSet& tables) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(tables.luts());
  inputs_.push_back(std::make_unique<DeviceBuffer>(
      absl::MakeSpan(bytes, tables.size() * kLutEntries * sizeof(uint16_t)), Access::kRead));
  return batch_.AddTables(reinterpret_cast<const uint16_t*>(inputs_.back()->data()), tables.size());
}

absl::Status EmulatedDecoder::Add(const ChunkView& chunk, size_t tables, size_t first_tile,
                                  size_t tile_count) {
  // Stored chunks lie on multiples of 16 of all kinds.
  const size_t offset = outputs_.size() * 48 % 256;
  auto stored = std::make_unique<DeviceBuffer>(chunk.stored, Access::kRead, offset);
  size_t bytes = 0;
  if (first_tile + tile_count <= TileCount(chunk.weights)) {
    bytes = TileRangeWeights(chunk.weights, first_tile, tile_count);
  }
  auto out = std::make_unique<DeviceBuffer>(bytes, Access::kReadWrite);
  std::fill(out->span().begin(), out->span().end(), kUnset);
  ECF8_RETURN_IF_ERROR(batch_.Add({.codec = chunk.codec,
                                   .stored_dev = stored->data(),
                                   .stored_bytes = chunk.stored.size(),
                                   .weights = chunk.weights,
                                   .first_tile = first_tile,
                                   .tile_count = tile_count,
                                   .out_dev = out->data()},
                                  tables));
  inputs_.push_back(std::move(stored));
  outputs_.push_back(std::move(out));
  return absl::OkStatus();
}

absl::Status EmulatedDecoder::Run(bool one_block) {
  errors_.clear();
  if (batch_.tile_count() == 0) return absl::OkStatus();
  TileDecodeShape shape;
  if (functions_.prepare(&shape) != 0) return absl::InternalError("the kernel was not prepared");
  TileDecodeShape blocks = shape;
  if (one_block) blocks.blocks = blocks.multiprocessors = 1;
  TileBatch::Layout layout;
  batch_.LayOut(blocks, &layout);
  DeviceBuffer image(layout.image, Access::kRead);
  DeviceBuffer errors(batch_.tile_count(), Access::kReadWrite);
  std::fill(errors.span().begin(), errors.span().end(), kUnset);
  if (functions_.launch(shape, layout.At(image.data(), errors.data()), nullptr) != 0) {
    return absl::InternalError(absl::StrCat("emulation: ", LaunchError()));
  }
  errors_.assign(errors.span().begin(), errors.span().end());
  return batch_.CheckErrors(errors_);
}

}  // namespace ecf8::emulation
