// A group as the encoder and the table search see it: symbols, raw bytes, and what a table set would
// make of it.
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
  // What an absent symbol costs unless the caller names a price: any group with one is at or above
  // it, any other below. Sums saturate, so they never wrap round to something cheap.
  static constexpr uint16_t kAbsent = 0x8000;
  static_assert(kGroupSymbols * kMaxCodeLength < kAbsent);

  // Every table starts without any symbol.
  explicit GroupCosts(size_t symbol_count);

  // Sets the bits that each symbol takes in table `table`.
  void SetTable(size_t table, const CodeTable& code, uint16_t absent = kAbsent);

  // Bits of the group in each table.
  using Sums = std::array<uint16_t, kMaxTables>;
  Sums Sum(const uint16_t* symbols) const;

  // The table with the lowest sum; the first of equals.
  static size_t Cheapest(const Sums& sums);

 private:
  std::vector<Sums> bits_;  // of each symbol
};

}  // namespace ecf8

#endif  // ECF8_DECODER_GROUP_H_
