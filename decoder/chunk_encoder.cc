#include "decoder/chunk_encoder.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "decoder/chunk_layout.h"
#include "decoder/code_table.h"
#include "decoder/endian.h"
#include "decoder/format.h"
#include "decoder/fp8.h"
#include "decoder/group.h"
#include "decoder/tile_encoder.h"

namespace ecf8 {

class ChunkEncoder::Impl {
 public:
  explicit Impl(const TableSet& tables)
      : codec_(tables.codec()),
        costs_(SymbolCount(tables.codec())),
        tile_encoder_(tables),
        symbols_(kTileGroups) {
    for (size_t i = 0; i < tables.size(); ++i) costs_.SetTable(i, tables.table(i));
  }

  // False if the chunk does not get smaller than `weights`; `stored` is then unspecified.
  bool EncodeCoded(absl::Span<const uint8_t> weights, std::vector<uint8_t>* stored) {
    const ChunkLayout layout(codec_, weights.size());
    if (layout.words_begin + layout.raw_size >= weights.size()) return false;
    stored->assign(layout.words_begin, 0);
    raw_.resize(layout.raw_size);
    for (size_t tile = 0; tile < TileCount(weights.size()); ++tile) {
      StoreLe32(stored->data() + tile * 4, static_cast<uint32_t>(stored->size()));
      if (!EncodeTile(weights.subspan(tile * kTileWeights, kTileWeights), tile,
                      stored->data() + layout.tables_begin)) {
        return false;
      }
      const absl::Span<const uint8_t> words = tile_encoder_.words();
      stored->insert(stored->end(), words.begin(), words.end());
      if (stored->size() + layout.raw_size >= weights.size()) return false;
    }
    stored->resize(AlignToSection(stored->size()), 0);
    stored->insert(stored->end(), raw_.begin(), raw_.end());
    return stored->size() < weights.size();
  }

 private:
  // Puts the tile's words into tile_encoder_, its raw bytes into raw_ and its table numbers into
  // `nibbles`. False if a group fits no table.
  bool EncodeTile(absl::Span<const uint8_t> weights, size_t tile, uint8_t* nibbles) {
    std::array<uint8_t, kTileGroups> tables;
    const size_t groups = GroupCount(weights.size());
    const size_t raw_bytes = GroupRawBytes(codec_);
    for (size_t i = 0; i < groups; ++i) {
      const size_t group = tile * kTileGroups + i;
      SplitGroup(codec_, weights.subspan(i * kGroupWeights, kGroupWeights), &symbols_[i],
                 raw_.data() + group * raw_bytes);
      const GroupCosts::Sums sums = costs_.Sum(symbols_[i]);
      const size_t table = GroupCosts::Cheapest(sums);
      if (sums[table] == GroupCosts::kImpossible) return false;
      tables[i] = static_cast<uint8_t>(table);
      nibbles[group / 2] |= static_cast<uint8_t>(table << (group % 2 * 4));
    }
    tile_encoder_.Encode(absl::MakeSpan(symbols_).subspan(0, groups),
                         absl::MakeSpan(tables).subspan(0, groups));
    return true;
  }

  Codec codec_;
  GroupCosts costs_;
  TileEncoder tile_encoder_;
  std::vector<GroupSymbols> symbols_;  // of one tile
  std::vector<uint8_t> raw_;           // of the chunk
};

ChunkEncoder::ChunkEncoder(const TableSet& tables) : impl_(std::make_unique<Impl>(tables)) {}
ChunkEncoder::~ChunkEncoder() = default;

void ChunkEncoder::Encode(absl::Span<const uint8_t> weights, std::vector<uint8_t>* stored) {
  assert(weights.size() <= kChunkWeights);
  if (!impl_->EncodeCoded(weights, stored)) stored->assign(weights.begin(), weights.end());
}

}  // namespace ecf8
