// What TableSearch counts in groups, and what it concludes about groups that it has not seen.
#ifndef ECF8_DECODER_SYMBOL_STATISTICS_H_
#define ECF8_DECODER_SYMBOL_STATISTICS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "decoder/format.h"
#include "decoder/table_clusters.h"

namespace ecf8 {

// How often each symbol of a codec occurs.
using SymbolCounts = std::vector<uint64_t>;

// The exponents of a part of the group's symbols, enough to tell which groups are alike.
ExponentCounts CountExponents(Codec codec, absl::Span<const uint16_t> symbols);

void CountSymbols(absl::Span<const uint16_t> symbols, SymbolCounts* counts);

// Scales the counts of a sample and lets symbols that it lacks have a small count, if one is to be
// expected every few hundred groups, were the exponents of a pair independent. A group that has a
// symbol which its best table lacks must take another table.
void AddLikelySymbols(Codec codec, SymbolCounts* counts);

// Gives one of the tables, that which loses least by it, a count for every symbol.
void CompleteOne(std::vector<SymbolCounts>* tables);

}  // namespace ecf8

#endif  // ECF8_DECODER_SYMBOL_STATISTICS_H_
