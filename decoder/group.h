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
#include "decoder/fp8.h"

namespace ecf8 {

// Symbol j of lane l is at l * kLaneSymbols + j. Symbol is Fp8Traits's.
template <typename Symbol>
using GroupSymbols = std::array<Symbol, kGroupSymbols>;

// 1 to kGroupWeights weights as a whole group: filled up with the last weight, which costs little
// in any table that codes the rest. `weights` must outlive it.
class WholeGroup {
 public:
  explicit WholeGroup(absl::Span<const uint8_t> weights);
  WholeGroup(const WholeGroup&) = delete;
  WholeGroup& operator=(const WholeGroup&) = delete;

  const uint8_t* data() const { return data_; }

 private:
  const uint8_t* data_;
  std::array<uint8_t, kGroupWeights> filled_;
};

// Splits a group (see WholeGroup) into symbols, and sign and mantissa: GroupRawBytes(codec) bytes.
template <Codec kCodec>
GroupSymbols<typename Fp8Traits<kCodec>::Symbol> SplitSymbols(const uint8_t* weights);
void SplitRaw(Codec codec, const uint8_t* weights, uint8_t* raw);

// Sums what the symbols of a group cost, for all tables of a set at once.
class GroupCosts {
 public:
  // The sum of a group in a table that lacks one of its symbols.
  static constexpr uint16_t kImpossible = UINT16_MAX;

  // Every table starts without any symbol.
  explicit GroupCosts(size_t symbol_count);

  // Sets the cost of each symbol in table `table`: its bits, or `costs`, at most kMaxCost each. A
  // symbol that `code` lacks makes a group impossible.
  static constexpr uint16_t kMaxCost = UINT16_MAX / kGroupSymbols - 1;
  void SetTable(size_t table, const CodeTable& code);
  void SetTable(size_t table, absl::Span<const uint16_t> costs);

  // Costs of a group in each table, by its kGroupSymbols symbols (uint8_t or uint16_t); or of the
  // first of every `lane_stride` lanes.
  using Sums = std::array<uint16_t, kMaxTables>;
  template <typename Symbol>
  Sums Sum(const Symbol* symbols, size_t lane_stride = 1) const;

  // The table with the lowest sum; the first of equals.
  static size_t Cheapest(const Sums& sums);

 private:
  // One symbol in all tables: one vector register of any machine that has them. Compilers do not
  // see that by themselves.
  using Row = uint16_t __attribute__((vector_size(sizeof(Sums))));
  std::vector<Row> rows_;
};

}  // namespace ecf8

#endif  // ECF8_DECODER_GROUP_H_
