// What TableSearch counts in groups, and what it concludes about groups that it has not seen.
#ifndef ECF8_DECODER_SYMBOL_STATISTICS_H_
#define ECF8_DECODER_SYMBOL_STATISTICS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "decoder/format.h"
#include "decoder/group.h"
#include "decoder/table_clusters.h"

namespace ecf8 {

// How often each symbol of a codec occurs.
using SymbolCounts = std::vector<uint64_t>;

// The symbols of sampled groups, in no more memory than they need: pages that are touched for the
// first time cost more than all counting.
class SymbolSamples {
 public:
  explicit SymbolSamples(Codec codec) : codec_(codec) {}

  size_t size() const { return bytes_.size() / group_bytes(); }
  // Appends a group of kGroupWeights weights. `most` is how many groups there can be.
  void Append(const uint8_t* weights, size_t most);
  // Drops every second group, the odd ones.
  void Halve();

  // The exponents of one symbol in kCountedShare of a group: enough to tell groups apart.
  static constexpr size_t kCountedShare = 2;
  ExponentCounts CountExponents(size_t group) const;

  // What a group costs.
  GroupCosts::Sums Sum(size_t group, const GroupCosts& costs) const;

  // All symbols of these groups.
  SymbolCounts CountSymbols(absl::Span<const uint32_t> groups) const;

 private:
  size_t group_bytes() const { return kGroupSymbols * (codec_ == Codec::kE4M3 ? 1 : 2); }
  template <typename Symbol>
  GroupSymbols<Symbol> Group(size_t group) const;

  Codec codec_;
  std::vector<uint8_t> bytes_;  // of symbols of the codec's type
};

// What a pair of exponents costs that costs so much each (see TableClusters::Costs), in eighths of
// a bit.
std::vector<uint16_t> PairCosts(Codec codec, const ExponentCounts& costs);

// Scales the counts of a sample and lets symbols that it lacks have a small count, if one is to be
// expected every hundred groups or so, were the exponents of a pair independent. A group that has a
// symbol which its best table lacks must take another table.
void AddLikelySymbols(Codec codec, SymbolCounts* counts);

// Gives one of the tables, that which loses least by it, a count for every symbol.
void CompleteOne(std::vector<SymbolCounts>* tables);

}  // namespace ecf8

#endif  // ECF8_DECODER_SYMBOL_STATISTICS_H_
