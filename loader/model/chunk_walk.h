// The chunks of units, in order, and the pieces that they make up.
#ifndef ECF8_LOADER_MODEL_CHUNK_WALK_H_
#define ECF8_LOADER_MODEL_CHUNK_WALK_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "decoder/checksum.h"
#include "loader/model/manifest.h"

namespace ecf8 {

// A chunk of a list of units, by number.
struct ChunkItem {
  uint32_t unit = 0;
  uint32_t piece = 0;
  uint32_t chunk = 0;
};

// Appends the chunks of a unit in stored order.
inline void AppendChunks(const Unit& unit, uint32_t unit_number, std::vector<ChunkItem>* items) {
  for (uint32_t p = 0; p < unit.pieces.size(); ++p) {
    for (uint32_t c = 0; c < unit.pieces[p].chunks.size(); ++c) {
      items->push_back({unit_number, p, c});
    }
  }
}

// Hashes the chunks of pieces that come in order. Thread-compatible.
class PieceHasher {
 public:
  // True where this was the piece's last chunk; then `digest` is that of the whole piece.
  bool Add(const Piece& piece, uint32_t chunk, absl::Span<const uint8_t> decoded) {
    if (chunk == 0) hash_ = Xxh3Stream();
    hash_.Update(decoded);
    return chunk + 1 == piece.chunks.size();
  }

  uint64_t digest() const { return hash_.Digest(); }

 private:
  Xxh3Stream hash_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_CHUNK_WALK_H_
