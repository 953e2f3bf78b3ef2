#include "loader/engine/unit_parts.h"

#include <cstddef>

#include "loader/model/shard.h"

namespace ecf8 {

std::vector<UnitPart> ListUnitParts(const Unit& unit) {
  size_t count = 1;
  for (const Piece& piece : unit.pieces) count += piece.chunks.size();
  std::vector<UnitPart> parts;
  parts.reserve(count);
  if (unit.tables_size_bytes > 0) {
    parts.push_back({.stored_size_bytes = static_cast<uint32_t>(unit.tables_size_bytes),
                     .xxh3 = unit.tables_xxh3});
  }
  for (uint32_t p = 0; p < unit.pieces.size(); ++p) {
    const Piece& piece = unit.pieces[p];
    uint64_t stored_offset_bytes = piece.stored_offset_bytes;
    for (uint32_t c = 0; c < piece.chunks.size(); ++c) {
      parts.push_back(
          {.piece = p,
           .chunk = c,
           .stored_offset_bytes = stored_offset_bytes,
           .decoded_offset_bytes = piece.decoded_offset_bytes + uint64_t{c} * kChunkWeights,
           .stored_size_bytes = piece.chunks[c].stored_size_bytes,
           .decoded_size_bytes = static_cast<uint32_t>(DecodedChunkSizeBytes(piece, c)),
           .xxh3 = piece.chunks[c].xxh3});
      stored_offset_bytes += piece.chunks[c].stored_size_bytes;
    }
  }
  return parts;
}

}  // namespace ecf8
