// Chooses the code tables of a unit.
#ifndef ECF8_DECODER_TABLE_SEARCH_H_
#define ECF8_DECODER_TABLE_SEARCH_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/format.h"
#include "decoder/group.h"

namespace ecf8 {

// Collects the statistics of a unit's weights of one codec, then builds up to kMaxTables tables:
// groups are clustered (Lloyd's algorithm with code cost as the distance), clusters are merged
// while a table costs more than it saves, and lengths are optimal for the groups that use them.
//
// The result depends only on the codec and the sequence of Add calls. Memory stays below 8 MiB
// whatever is added: beyond 32,768 groups (16.8 M weights) an evenly spaced sample is clustered,
// but every group ever added can be coded by at least one of the tables. Thread-compatible.
class TableSearch {
 public:
  // `codec` must not be kRaw.
  explicit TableSearch(Codec codec);

  // Adds the weights of one tensor piece (whole, in any order of pieces that the caller keeps
  // fixed). A group never spans two calls, so cut a tensor only at chunk boundaries.
  void Add(absl::Span<const uint8_t> weights);

  // The tables. May be called at any time, also when nothing was added (one table of one symbol).
  TableSet Build() const;

 private:
  void AddSample(const GroupSymbols& symbols);

  Codec codec_;
  uint64_t groups_seen_ = 0;
  uint64_t sample_stride_ = 1;     // every sample_stride_-th group is in the sample
  std::vector<uint16_t> samples_;  // kGroupSymbols symbols a sampled group
};

}  // namespace ecf8

#endif  // ECF8_DECODER_TABLE_SEARCH_H_
