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
  // Appends a group. `most` is how many there can be.
  void Append(const GroupSymbols& symbols, size_t most);
  // Drops every second group, the odd ones.
  void Halve();

  // The exponents of a part of the group's symbols, enough to tell which groups are alike.
  ExponentCounts CountExponents(size_t group) const;
  // All symbols of these groups.
  SymbolCounts CountSymbols(absl::Span<const uint32_t> groups) const;

 private:
  template <typename Symbol, size_t kSymbols>
  SymbolCounts Count(absl::Span<const uint32_t> groups) const;
  size_t group_bytes() const { return kGroupSymbols * (codec_ == Codec::kE4M3 ? 1 : 2); }

  Codec codec_;
  std::vector<uint8_t> bytes_;  // the smallest integer that holds a symbol
};

// Scales the counts of a sample and lets symbols that it lacks have a small count, if one is to be
// expected every few hundred groups, were the exponents of a pair independent. A group that has a
// symbol which its best table lacks must take another table.
void AddLikelySymbols(Codec codec, SymbolCounts* counts);

// Gives one of the tables, that which loses least by it, a count for every symbol.
void CompleteOne(std::vector<SymbolCounts>* tables);

}  // namespace ecf8

#endif  // ECF8_DECODER_SYMBOL_STATISTICS_H_
