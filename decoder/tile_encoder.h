// Writes the words of one tile.
#ifndef ECF8_DECODER_TILE_ENCODER_H_
#define ECF8_DECODER_TILE_ENCODER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/format.h"
#include "decoder/group.h"
#include "decoder/word_packer.h"

namespace ecf8 {

// Thread-compatible.
class TileEncoder {
 public:
  // `packer` must be supported.
  TileEncoder(const TableSet& tables, const WordPacker& packer);

  // Starts a tile.
  void Clear() { steps_ = 0; }
  // Appends a group, at most kTileGroups, coded by `table`, which must have all its symbols.
  void Add(const GroupSymbols& symbols, size_t table);

  // Appends the words of all groups (one or more) to `stored`, without the last ones that no lane
  // needs.
  void AppendWords(std::vector<uint8_t>* stored);

 private:
  size_t CountNeededWords(size_t all) const;

  const WordPacker& packer_;
  size_t symbol_count_;
  std::vector<uint16_t> table_codes_;  // of every symbol of every table, as in PackJob::codes
  size_t steps_ = 0;
  std::vector<LaneWords> codes_;  // of each step
  std::vector<uint16_t> words_;
  std::vector<uint32_t> taken_;
  std::vector<uint32_t> starts_;
  PackJob job_ = {};
};

}  // namespace ecf8

#endif  // ECF8_DECODER_TILE_ENCODER_H_
