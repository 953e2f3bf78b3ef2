// The clustering inside TableSearch: which groups share a table.
#ifndef ECF8_DECODER_TABLE_CLUSTERS_H_
#define ECF8_DECODER_TABLE_CLUSTERS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/format.h"

namespace ecf8 {

// Lloyd's algorithm on groups, where a cluster's centre is its optimal code and the distance of a
// group is the bits it takes in that code. All arithmetic is on integers, so that the result is the
// same on every machine. Thread-compatible.
class TableClusters {
 public:
  // `samples` holds kGroupSymbols symbols a group, and must outlive the object.
  TableClusters(Codec codec, absl::Span<const uint16_t> samples);

  // Assigns groups to the cheapest code and rebuilds the codes, until little changes.
  void Refine();

  // Merges the pair of clusters whose separate tables save the least, while that is less than the
  // bytes of a table. Returns whether it merged any.
  bool Merge();

  // Gives one of the tables a code for every symbol that `present` marks. Not before a sample.
  void CompleteOne(absl::Span<const uint8_t> present);

  // The tables of the clusters, 1 to kMaxTables. Every sampled group can be coded by the table of
  // its cluster.
  std::vector<CodeTable> Tables() const;

 private:
  struct Cluster {
    explicit Cluster(size_t symbol_count) : counts(symbol_count, 0) {}
    void Recode();

    std::vector<uint64_t> counts;  // of each symbol
    std::vector<uint8_t> lengths;  // the optimal code
    uint64_t bits = 0;             // of all its groups in that code
  };

  size_t group_count() const { return samples_.size() / kGroupSymbols; }
  absl::Span<const uint16_t> Group(size_t group) const;
  void Count(size_t group, size_t cluster, int change);
  void Move(size_t group, size_t cluster);
  void StartByCost();
  void Recode();
  void Erase(size_t cluster);
  bool Reassign();

  Codec codec_;
  absl::Span<const uint16_t> samples_;
  std::vector<uint8_t> cluster_of_;  // of each group
  std::vector<Cluster> clusters_;
};

}  // namespace ecf8

#endif  // ECF8_DECODER_TABLE_CLUSTERS_H_
