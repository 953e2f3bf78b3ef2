#include "decoder/table_search.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/encoders.h"
#include "decoder/format.h"
#include "decoder/group.h"
#include "decoder/huffman.h"
#include "decoder/symbol_statistics.h"
#include "decoder/table_clusters.h"

namespace ecf8 {
namespace {

// Large enough that a table lacks few of the symbols that its groups have: with half as many, a
// model takes 0.003 bits a weight more.
constexpr size_t kMaxSamples = 8192;
// So many of them are enough to find out where the clusters lie.
constexpr size_t kMaxClustered = 256;

}  // namespace

TableSearch::TableSearch(Codec codec) : TableSearch(codec, SelectedEncoder()) {}
TableSearch::TableSearch(Codec codec, const EncoderImplementation& encoder)
    : codec_(codec), samples_(codec, encoder) {}

void TableSearch::Add(absl::Span<const uint8_t> weights) {
  for (; !weights.empty(); weights.remove_prefix(std::min(weights.size(), kGroupWeights))) {
    if (groups_seen_++ % sample_stride_ != 0) continue;
    const WholeGroup group(weights.subspan(0, kGroupWeights));
    samples_.Append(group.data(), kMaxSamples);
    if (samples_.size() < kMaxSamples) continue;
    samples_.Halve();  // the even multiples of the old stride stay
    sample_stride_ *= 2;
  }
}

TableSet TableSearch::Build() const {
  std::vector<SymbolCounts> counts = samples_.CountSymbols(Cluster());
  if (sample_stride_ > 1) {
    for (SymbolCounts& table : counts) AddLikelySymbols(codec_, &table);
    CompleteOne(&counts);
  }
  if (counts.empty()) {
    counts.emplace_back(SymbolCount(codec_), 0);
    counts[0][0] = 1;
  }
  std::vector<CodeTable> tables;
  for (const SymbolCounts& table : counts) {
    // Codes of package-merge are complete.
    tables.push_back(
        CodeTable::FromLengths(codec_, LimitedCodeLengths(table, kMaxCodeLength)).value());
  }
  return TableSet(codec_, std::move(tables));
}

// Costs by which groups that are alike find the same table cheapest.
GroupCosts TableSearch::Cluster() const {
  const size_t stride = (samples_.size() + kMaxClustered - 1) / kMaxClustered;
  std::vector<ExponentCounts> clustered;
  for (size_t i = 0; i < samples_.size(); i += stride) {
    clustered.push_back(samples_.CountExponents(i));
  }
  // What is clustered stands for more.
  const uint64_t table_bits = TableSet::SerializedSize(codec_, 1) * 8;
  const uint64_t counted =
      sample_stride_ * std::max(stride, size_t{1}) * SymbolSamples::kCountedShare;
  const std::vector<ExponentCounts> clusters = ClusterGroups(clustered, table_bits / counted);
  GroupCosts costs(SymbolCount(codec_));
  for (size_t i = 0; i < clusters.size(); ++i) costs.SetTable(i, PairCosts(codec_, clusters[i]));
  return costs;
}

}  // namespace ecf8
