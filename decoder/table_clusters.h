// The clustering inside TableSearch: which groups share a table.
#ifndef ECF8_DECODER_TABLE_CLUSTERS_H_
#define ECF8_DECODER_TABLE_CLUSTERS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "decoder/format.h"

namespace ecf8 {

// How often each exponent occurs in a group; E4M3 uses the first 16.
using ExponentCounts = std::array<int16_t, 32>;

// Lloyd's algorithm on groups, where a cluster's centre is the distribution of its exponents and
// the distance of a group is the bits that its exponents would take in an ideal code for that
// distribution. (Pairs of exponents are nearly independent within a group: what differs is the
// spread.) All arithmetic is on integers, so that the result is the same on every machine.
// Thread-compatible.
class TableClusters {
 public:
  // Clusters `groups`. Of two clusters that save less than `table_bits` by being apart, one is
  // made.
  TableClusters(absl::Span<const ExponentCounts> groups, uint64_t table_bits);

  // The clusters are numbered from 0; up to kMaxTables, none without a group.
  size_t size() const { return clusters_.size(); }
  size_t cluster_of(size_t group) const { return cluster_of_[group]; }

 private:
  static constexpr uint8_t kNone = UINT8_MAX;
  using Counts = std::array<int32_t, 32>;

  static void Add(const ExponentCounts& group, int32_t times, Counts* counts);
  void Refine();
  bool Merge(uint64_t table_bits);
  void Move(size_t group, size_t cluster);
  void StartByCost();
  void Erase(size_t cluster);
  size_t Reassign(size_t stride);

  absl::Span<const ExponentCounts> groups_;  // within the constructor
  size_t stride_;  // every stride_-th group says where the clusters lie
  std::vector<uint8_t> cluster_of_;  // of each group, or kNone
  std::vector<Counts> clusters_;
};

}  // namespace ecf8

#endif  // ECF8_DECODER_TABLE_CLUSTERS_H_
