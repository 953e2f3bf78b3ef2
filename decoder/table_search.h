// Chooses the code tables of a unit.
#ifndef ECF8_DECODER_TABLE_SEARCH_H_
#define ECF8_DECODER_TABLE_SEARCH_H_

#include <cstdint>

#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/encoders.h"
#include "decoder/format.h"
#include "decoder/group.h"
#include "decoder/symbol_statistics.h"

namespace ecf8 {

// Collects the statistics of a unit's weights of one codec, then builds up to kMaxTables tables:
// groups are clustered (see ClusterGroups), clusters are merged while a table costs more than it
// saves, and code lengths are optimal for the groups of a cluster (see LimitedCodeLengths).
//
// The result depends only on the codec and the sequence of Add calls. Memory stays below 6 MiB
// whatever is added: from 8,192 groups (4.2 M weights) on, an evenly spaced sample of half as many
// or more is looked at, and one of the tables has all symbols. So every group ever added can be
// coded by at least one of the tables. Thread-compatible.
class TableSearch {
 public:
  // `codec` must not be kRaw.
  explicit TableSearch(Codec codec);
  // The same with a chosen implementation (which must be supported): for tests.
  TableSearch(Codec codec, const EncoderImplementation& encoder);

  // Adds the weights of one tensor piece (whole, in any order of pieces that the caller keeps
  // fixed). A group never spans two calls, so cut a tensor only at chunk boundaries.
  void Add(absl::Span<const uint8_t> weights);

  // The tables. May be called at any time, also when nothing was added (one table of one symbol).
  TableSet Build() const;

 private:
  GroupCosts Cluster() const;

  Codec codec_;
  uint64_t groups_seen_ = 0;
  uint64_t sample_stride_ = 1;  // every sample_stride_-th group is in the sample
  SymbolSamples samples_;
};

}  // namespace ecf8

#endif  // ECF8_DECODER_TABLE_SEARCH_H_
