// The CPU's encoder implementations, in one place. All give the same bytes.
#ifndef ECF8_DECODER_ENCODERS_H_
#define ECF8_DECODER_ENCODERS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/format.h"
#include "decoder/group.h"
#include "decoder/lane_words.h"
#include "decoder/symbol_set.h"

namespace ecf8 {

// A step is one symbol of every lane.
inline constexpr size_t kTileSteps = kTileGroups * kLaneSymbols;

// A table set as encoders use it.
struct EncoderTables {
  explicit EncoderTables(const TableSet& tables);

  // E4M3's tables by symbol, for vectors of bytes.
  using Bytes = std::array<uint8_t, 256>;
  // One table: the bytes of `codes`. A symbol that it lacks has the length kAbsentLength.
  struct alignas(64) CodeBytes {
    Bytes low;
    Bytes high;
  };
  // The lengths in two tables, that of the even table in the low half of a byte. kAbsentLength in
  // tables that lack the symbol or do not exist.
  struct alignas(64) LengthPairs {
    Bytes of;
  };
  static constexpr uint8_t kAbsentLength = 15;

  Codec codec;
  size_t size;
  GroupCosts costs;
  // Of every symbol of every table: the code at the top, its length in the low 4 bits.
  std::vector<uint16_t> codes;
  std::vector<CodeBytes> code_bytes;                     // E4M3 only
  std::array<LengthPairs, kMaxTables / 2> length_pairs;  // E4M3 only

 private:
  void SetBytes(const TableSet& tables);
};

// Codes a group of kGroupWeights weights: chooses the table with the fewest bits (the first of
// equals) and writes the codes, as in EncoderTables::codes, of each of kLaneSymbols steps. Returns
// the table, or kMaxTables if none has all symbols of the group.
using GroupCoder = size_t (*)(const EncoderTables& tables, const uint8_t* weights,
                              LaneWords* codes);

// Packs the codes of all lanes into words, in the order in which decoders take them. It runs
// backwards, from the last symbol to the first: a decoder that has used up a lane's word r takes
// the lane's word r + 2, and going back, that word is complete just then.
struct PackJob {
  const LaneWords* codes;  // of each step
  size_t steps;            // 1 to kTileSteps
  LaneWords used;          // bits of all the lane's codes, modulo 16

  // Results. The words that lanes take after step i are those of the lanes in taken[i], in order of
  // the lanes. They begin at words[starts[i]]; those of the last step stand first. `words` has room
  // for kMaxPackedWords, `packed` of which are set.
  uint16_t* words;
  uint32_t* taken;
  uint32_t* starts;
  size_t packed;
  // The two words that each lane starts with.
  LaneWords first;
  LaneWords second;
};
using WordPacker = void (*)(PackJob* job);

// A word a symbol at most, and one vector that is written as a whole.
inline constexpr size_t kMaxPackedWords = (kTileSteps + 1) * kLaneCount;

// LacksSymbol of symbol_set.h, for E4M3: TableSearch asks it about every group.
using SymbolTest = bool (*)(const SymbolSet& set, const uint8_t* symbols);

struct EncoderImplementation {
  std::string_view name;  // as ECF8_CPU names it
  bool (*supported)();    // on this machine
  SymbolTest lacks_e4m3;
  GroupCoder code_e4m3;
  GroupCoder code_e5m2;
  WordPacker pack;
};

// All that were compiled in; the last is "portable" and always supported.
absl::Span<const EncoderImplementation> AllEncoders();

// The one of SelectedDecoder()'s name, or else the portable one. Thread-safe.
const EncoderImplementation& SelectedEncoder();

}  // namespace ecf8

#endif  // ECF8_DECODER_ENCODERS_H_
