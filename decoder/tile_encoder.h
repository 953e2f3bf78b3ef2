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

namespace ecf8 {

// Thread-compatible.
class TileEncoder {
 public:
  explicit TileEncoder(const TableSet& tables);

  // Encodes 1 to kTileGroups groups; group i by table tables[i], which must have all its symbols.
  void Encode(absl::Span<const GroupSymbols> groups, absl::Span<const uint8_t> tables);

  // The words of the last Encode, without the last ones that no lane needs. Valid until the next.
  absl::Span<const uint8_t> words() const { return {words_.data(), size_}; }

 private:
  struct Lane {
    uint32_t bits = 0;     // unwritten bits of the current word, MSB first, zeros below
    uint32_t count = 0;    // how many, below 16 between symbols
    uint32_t current = 0;  // where the current word goes
    uint32_t next = 0;     // where the word after it goes
  };
  struct Code {
    uint32_t bits;  // the code at the top of 32 bits
    uint32_t count;
  };

  uint32_t EncodeGroup(const GroupSymbols& symbols, const Code* codes, uint32_t end);

  void Finish(uint32_t end);

  size_t symbol_count_;
  std::vector<Code> codes_;  // of every symbol of every table
  std::vector<Lane> lanes_;
  std::vector<uint8_t> words_;
  size_t size_ = 0;
};

}  // namespace ecf8

#endif  // ECF8_DECODER_TILE_ENCODER_H_
