// What TableSearch counts in groups, and what it concludes about groups that it has not seen.
#ifndef ECF8_DECODER_SYMBOL_STATISTICS_H_
#define ECF8_DECODER_SYMBOL_STATISTICS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "decoder/encoders.h"
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
  SymbolSamples(Codec codec, const EncoderImplementation& encoder)
      : codec_(codec), encoder_(&encoder) {}

  size_t size() const { return bytes_.size() / group_bytes(); }
  // Appends a group of kGroupWeights weights. `most` is how many groups there can be.
  void Append(const uint8_t* weights, size_t most);
  // Drops every second group, the odd ones.
  void Halve();

  // Half of a group tells well enough what it is like: one symbol in so many is counted.
  static constexpr size_t kCountedShare = 2;

  // The exponents of the counted symbols of a group.
  ExponentCounts CountExponents(size_t group) const;

  // For each table of `costs` that is the cheapest for any group: the counted symbols of those
  // groups, each as kCountedShare, and each of their other symbols that is none of those. So every
  // symbol that occurs has a count.
  std::vector<SymbolCounts> CountSymbols(const GroupCosts& costs) const;

 private:
  size_t group_bytes() const { return kGroupSymbols * (codec_ == Codec::kE4M3 ? 1 : 2); }
  Codec codec_;
  const EncoderImplementation* encoder_;
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
