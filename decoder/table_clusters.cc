#include "decoder/table_clusters.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/format.h"
#include "decoder/group.h"
#include "decoder/huffman.h"

namespace ecf8 {
namespace {

constexpr int kMaxRounds = 6;
// Another round is worth its time while more than one group in this many has moved.
constexpr size_t kMovedShare = 50;
// What a symbol costs in a cluster that has not seen it, while clusters still move: a little more
// than the longest code, as it would lengthen others.
constexpr uint16_t kUnseenBits = kMaxCodeLength + 3;

// A single symbol gets an empty code, but counts as if its code had one bit in Cluster::bits; the
// difference decides nothing.
uint64_t CodedBits(const std::vector<uint64_t>& counts, const std::vector<uint8_t>& lengths) {
  uint64_t bits = 0;
  for (size_t symbol = 0; symbol < counts.size(); ++symbol) {
    bits += counts[symbol] * lengths[symbol];
  }
  return bits;
}

CodeTable TableOf(Codec codec, const std::vector<uint8_t>& lengths) {
  absl::StatusOr<CodeTable> table = CodeTable::FromLengths(codec, lengths);
  return *std::move(table);  // LimitedCodeLengths' codes are complete
}

}  // namespace

TableClusters::TableClusters(Codec codec, absl::Span<const uint16_t> samples)
    : codec_(codec), samples_(samples), cluster_of_(group_count(), 0) {
  if (group_count() == 0) return;
  clusters_.emplace_back(SymbolCount(codec_));
  for (size_t group = 0; group < group_count(); ++group) Count(group, 0, 1);
  Recode();
  StartByCost();
}

void TableClusters::Cluster::Recode() {
  lengths = LimitedCodeLengths(counts, kMaxCodeLength);
  bits = CodedBits(counts, lengths);
}

absl::Span<const uint16_t> TableClusters::Group(size_t group) const {
  return samples_.subspan(group * kGroupSymbols, kGroupSymbols);
}

// Adds the group's symbols to the cluster's counts, or takes them out if `change` is -1.
void TableClusters::Count(size_t group, size_t cluster, int change) {
  std::vector<uint64_t>& counts = clusters_[cluster].counts;
  for (uint16_t symbol : Group(group)) counts[symbol] += static_cast<uint64_t>(change);
}

void TableClusters::Move(size_t group, size_t cluster) {
  if (cluster == cluster_of_[group]) return;
  Count(group, cluster_of_[group], -1);
  Count(group, cluster, 1);
  cluster_of_[group] = static_cast<uint8_t>(cluster);
}

// Equal shares of the groups in order of their bits in one common code: wide distributions and
// narrow ones are what differs most between groups.
void TableClusters::StartByCost() {
  GroupCosts costs(SymbolCount(codec_));
  costs.SetTable(0, TableOf(codec_, clusters_[0].lengths));
  std::vector<std::pair<uint16_t, uint32_t>> order(group_count());
  for (size_t group = 0; group < group_count(); ++group) {
    order[group] = {costs.Sum(Group(group))[0], static_cast<uint32_t>(group)};
  }
  std::sort(order.begin(), order.end());
  while (clusters_.size() < kMaxTables) clusters_.emplace_back(SymbolCount(codec_));
  for (size_t i = 0; i < order.size(); ++i) Move(order[i].second, i * kMaxTables / order.size());
  Recode();
}

// Gives every cluster the best code for its groups, and drops empty ones.
void TableClusters::Recode() {
  for (size_t i = clusters_.size(); i-- > 0;) {
    clusters_[i].Recode();
    const std::vector<uint8_t>& lengths = clusters_[i].lengths;
    const bool empty =
        std::all_of(lengths.begin(), lengths.end(), [](uint8_t l) { return l == 0; });
    if (empty) Erase(i);
  }
}

// Forgets a cluster that has no groups any more.
void TableClusters::Erase(size_t cluster) {
  clusters_.erase(clusters_.begin() + static_cast<ptrdiff_t>(cluster));
  for (uint8_t& other : cluster_of_)
    other = static_cast<uint8_t>(other - (other > cluster ? 1 : 0));
}

// Returns whether enough groups moved to go on.
bool TableClusters::Reassign() {
  GroupCosts costs(SymbolCount(codec_));
  for (size_t i = 0; i < clusters_.size(); ++i) {
    costs.SetTable(i, TableOf(codec_, clusters_[i].lengths), kUnseenBits);
  }
  size_t moved = 0;
  for (size_t group = 0; group < group_count(); ++group) {
    const size_t best = GroupCosts::Cheapest(costs.Sum(Group(group)));
    moved += best != cluster_of_[group] ? 1 : 0;
    Move(group, best);
  }
  return moved * kMovedShare > group_count();
}

void TableClusters::Refine() {
  if (clusters_.size() < 2) return;
  for (int round = 0; round < kMaxRounds; ++round) {
    const bool go_on = Reassign();
    Recode();
    if (!go_on) return;
  }
}

bool TableClusters::Merge() {
  const uint64_t table_bits = TableSet::SerializedSize(codec_, 1) * 8;
  bool merged_any = false;
  while (clusters_.size() > 1) {
    Cluster best(0);
    size_t best_a = 0;
    size_t best_b = 0;
    uint64_t best_loss = table_bits;
    for (size_t a = 0; a < clusters_.size(); ++a) {
      for (size_t b = a + 1; b < clusters_.size(); ++b) {
        Cluster merged = clusters_[a];
        for (size_t i = 0; i < merged.counts.size(); ++i)
          merged.counts[i] += clusters_[b].counts[i];
        merged.Recode();
        const uint64_t loss = merged.bits - clusters_[a].bits - clusters_[b].bits;
        if (loss >= best_loss) continue;
        best_loss = loss;
        best = std::move(merged);
        best_a = a;
        best_b = b;
      }
    }
    if (best_loss == table_bits) break;
    clusters_[best_a] = std::move(best);
    for (uint8_t& cluster : cluster_of_) {
      if (cluster == best_b) cluster = static_cast<uint8_t>(best_a);
    }
    Erase(best_b);
    merged_any = true;
  }
  return merged_any;
}

// Of all clusters, lets the one that loses the fewest bits by it have a code for every symbol of
// `present`.
void TableClusters::CompleteOne(absl::Span<const uint8_t> present) {
  Cluster best(0);
  size_t best_index = 0;
  uint64_t best_loss = UINT64_MAX;
  for (size_t i = 0; i < clusters_.size(); ++i) {
    Cluster complete = clusters_[i];
    for (size_t s = 0; s < present.size(); ++s) {
      if (complete.counts[s] == 0) complete.counts[s] = present[s];
    }
    complete.Recode();
    const uint64_t loss = complete.bits - clusters_[i].bits;
    if (loss >= best_loss) continue;
    best_loss = loss;
    best = std::move(complete);
    best_index = i;
  }
  clusters_[best_index] = std::move(best);
}

std::vector<CodeTable> TableClusters::Tables() const {
  std::vector<CodeTable> tables;
  for (const Cluster& cluster : clusters_) tables.push_back(TableOf(codec_, cluster.lengths));
  if (tables.empty()) {
    std::vector<uint8_t> lengths(SymbolCount(codec_), 0);
    lengths[0] = 1;
    tables.push_back(TableOf(codec_, lengths));
  }
  return tables;
}

}  // namespace ecf8
