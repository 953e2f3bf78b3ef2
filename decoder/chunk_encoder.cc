#include "decoder/chunk_encoder.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "decoder/chunk_layout.h"
#include "decoder/code_table.h"
#include "decoder/encoders.h"
#include "decoder/endian.h"
#include "decoder/format.h"
#include "decoder/fp8.h"
#include "decoder/group.h"
#include "decoder/tile_encoder.h"

namespace ecf8 {

class ChunkEncoder::Impl {
 public:
  Impl(const TableSet& tables, const EncoderImplementation& encoder)
      : codec_(tables.codec()), tables_(tables), tile_encoder_(tables_, encoder) {}

  // False if the chunk does not get smaller than `weights`; `stored` is then unspecified.
  bool EncodeCoded(absl::Span<const uint8_t> weights, std::vector<uint8_t>* stored) {
    const ChunkLayout layout(codec_, weights.size());
    if (layout.words_begin + layout.raw_size >= weights.size()) return false;
    // All the room that there may have to be, but no more of it in use than needed: vectors clear
    // what comes into use.
    stored->reserve(weights.size() + TileEncoder::kMaxTileBytes);
    uint8_t* const to = stored->data();
    GrowTo(layout.words_begin, stored);
    std::fill_n(to, layout.words_begin, uint8_t{0});
    size_t end = layout.words_begin;
    for (size_t tile = 0; tile < TileCount(weights.size()); ++tile) {
      StoreLe32(to + tile * 4, static_cast<uint32_t>(end));
      if (!EncodeTile(weights.subspan(tile * kTileWeights, kTileWeights), tile,
                      to + layout.tables_begin)) {
        return false;
      }
      GrowTo(end + TileEncoder::kMaxTileBytes, stored);
      end += tile_encoder_.WriteWords(to + end);
      if (end + layout.raw_size >= weights.size()) return false;
    }
    const size_t raw = AlignToSection(end);
    std::fill(to + end, to + raw, uint8_t{0});
    if (raw + layout.raw_size >= weights.size()) return false;
    stored->resize(raw + layout.raw_size);
    for (size_t group = 0; group < GroupCount(weights.size()); ++group) {
      const WholeGroup whole(weights.subspan(group * kGroupWeights, kGroupWeights));
      SplitRaw(codec_, whole.data(), to + raw + group * GroupRawBytes(codec_));
    }
    return true;
  }

 private:
  static void GrowTo(size_t size, std::vector<uint8_t>* bytes) {
    if (bytes->size() < size) bytes->resize(size);
  }

  // Puts the tile's groups into tile_encoder_ and its table numbers into `nibbles`. False if a
  // group fits no table.
  bool EncodeTile(absl::Span<const uint8_t> weights, size_t tile, uint8_t* nibbles) {
    tile_encoder_.Clear();
    for (size_t i = 0; i < GroupCount(weights.size()); ++i) {
      const size_t group = tile * kTileGroups + i;
      const size_t table = tile_encoder_.Add(weights.subspan(i * kGroupWeights, kGroupWeights));
      if (table == kMaxTables) return false;
      nibbles[group / 2] |= static_cast<uint8_t>(table << (group % 2 * 4));
    }
    return true;
  }

  Codec codec_;
  EncoderTables tables_;
  TileEncoder tile_encoder_;
};

ChunkEncoder::ChunkEncoder(const TableSet& tables) : ChunkEncoder(tables, SelectedEncoder()) {}
ChunkEncoder::ChunkEncoder(const TableSet& tables, const EncoderImplementation& encoder)
    : impl_(std::make_unique<Impl>(tables, encoder)) {}
ChunkEncoder::~ChunkEncoder() = default;

void ChunkEncoder::Encode(absl::Span<const uint8_t> weights, std::vector<uint8_t>* stored) {
  assert(weights.size() <= kChunkWeights);
  if (!impl_->EncodeCoded(weights, stored)) stored->assign(weights.begin(), weights.end());
}

}  // namespace ecf8
