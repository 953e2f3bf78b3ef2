#include "decoder/table_search.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/format.h"
#include "decoder/group.h"
#include "decoder/huffman.h"
#include "decoder/symbol_statistics.h"
#include "decoder/table_clusters.h"

namespace ecf8 {
namespace {

// Large enough that a table lacks few of the symbols that its groups have: with half as many, a
// model takes 0.002 bits a weight more.
constexpr size_t kMaxSamples = 4096;

}  // namespace

TableSearch::TableSearch(Codec codec) : codec_(codec), samples_(codec) {}

void TableSearch::Add(absl::Span<const uint8_t> weights) {
  GroupSymbols symbols;
  for (; !weights.empty(); weights.remove_prefix(std::min(weights.size(), kGroupWeights))) {
    if (groups_seen_++ % sample_stride_ != 0) continue;
    const WholeGroup group(weights.subspan(0, kGroupWeights));
    SplitSymbols(codec_, group.data(), &symbols);
    samples_.Append(symbols, kMaxSamples);
    if (samples_.size() < kMaxSamples) continue;
    samples_.Halve();  // the even multiples of the old stride stay
    sample_stride_ *= 2;
  }
}

TableSet TableSearch::Build() const {
  std::vector<ExponentCounts> groups(samples_.size());
  for (size_t i = 0; i < groups.size(); ++i) groups[i] = samples_.CountExponents(i);
  const uint64_t table_bits = TableSet::SerializedSize(codec_, 1) * 8;
  const TableClusters clusters(groups, table_bits / sample_stride_);

  std::vector<std::vector<uint32_t>> members(std::max(clusters.size(), size_t{1}));
  for (uint32_t i = 0; i < groups.size(); ++i) members[clusters.cluster_of(i)].push_back(i);
  std::vector<SymbolCounts> counts;
  for (const std::vector<uint32_t>& cluster : members) {
    counts.push_back(samples_.CountSymbols(cluster));
  }
  if (groups.empty()) counts[0][0] = 1;
  if (sample_stride_ > 1) {
    for (SymbolCounts& table : counts) AddLikelySymbols(codec_, &table);
    CompleteOne(&counts);
  }
  std::vector<CodeTable> tables;
  for (const SymbolCounts& table : counts) {
    // Codes of package-merge are complete.
    tables.push_back(
        CodeTable::FromLengths(codec_, LimitedCodeLengths(table, kMaxCodeLength)).value());
  }
  return TableSet(codec_, std::move(tables));
}

}  // namespace ecf8
