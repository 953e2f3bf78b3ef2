// A group as the encoder and the table search see it: symbols, raw bytes, and what a table set
// would make of it.
#ifndef ECF8_DECODER_GROUP_H_
#define ECF8_DECODER_GROUP_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/format.h"

namespace ecf8 {

// Symbol j of lane l is at l * kLaneSymbols + j.
using GroupSymbols = std::array<uint16_t, kGroupSymbols>;

// Splits 1 to kGroupWeights weights. A short group is filled up with its last weight, which costs
// little in any table that codes the rest. `raw` takes GroupRawBytes(codec) bytes; may be null.
void SplitGroup(Codec codec, absl::Span<const uint8_t> weights, GroupSymbols* symbols,
                uint8_t* raw);

// Sums code lengths of a group for all tables of a set at once.
class GroupCosts {
 public:
  // The sum of a group in a table that lacks one of its symbols.
  static constexpr uint16_t kImpossible = UINT16_MAX;

  // Every table starts without any symbol.
  explicit GroupCosts(size_t symbol_count);

  // Sets the bits that each symbol takes in table `table`. With `absent_bits` above 0, a symbol
  // that the table lacks costs that many (at most kMaxAbsentBits); with 0 it makes the group
  // impossible.
  static constexpr uint16_t kMaxAbsentBits = UINT16_MAX / kGroupSymbols - 1;
  void SetTable(size_t table, const CodeTable& code, uint16_t absent_bits = 0);

  // Bits of the group in each table.
  using Sums = std::array<uint16_t, kMaxTables>;
  Sums Sum(absl::Span<const uint16_t> symbols) const;

  // The table with the lowest sum; the first of equals.
  static size_t Cheapest(const Sums& sums);

 private:
  // The sums of four tables in one integer, 16 bits each: they never carry into one another.
  struct Packed {
    std::array<uint64_t, kMaxTables / 4> tables{};
  };
  std::vector<Packed> bits_;      // of each symbol
  std::vector<uint8_t> lacking_;  // of each symbol: bit t is set if it is impossible in table t
};

}  // namespace ecf8

#endif  // ECF8_DECODER_GROUP_H_
