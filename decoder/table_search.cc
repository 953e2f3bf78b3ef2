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
#ifndef MS
#define MS 4096
#endif
constexpr size_t kMaxSamples = MS;  // 2 MiB

}  // namespace

TableSearch::TableSearch(Codec codec) : codec_(codec) {}

void TableSearch::Add(absl::Span<const uint8_t> weights) {
  GroupSymbols symbols;
  for (; !weights.empty(); weights.remove_prefix(std::min(weights.size(), kGroupWeights))) {
    if (groups_seen_++ % sample_stride_ != 0) continue;
    SplitSymbols(codec_, weights.subspan(0, kGroupWeights), &symbols);
    AddSample(symbols);
  }
}

void TableSearch::AddSample(const GroupSymbols& symbols) {
  samples_.insert(samples_.end(), symbols.begin(), symbols.end());
  if (samples_.size() < kMaxSamples * kGroupSymbols) return;
  // Keep every second sample: the even multiples of the old stride.
  for (size_t i = 0; i < kMaxSamples / 2; ++i) {
    std::copy_n(samples_.begin() + static_cast<ptrdiff_t>(2 * i * kGroupSymbols), kGroupSymbols,
                samples_.begin() + static_cast<ptrdiff_t>(i * kGroupSymbols));
  }
  samples_.resize(samples_.size() / 2);
  sample_stride_ *= 2;
}

TableSet TableSearch::Build() const {
  std::vector<ExponentCounts> groups;
  groups.reserve(samples_.size() / kGroupSymbols);
  const absl::Span<const uint16_t> samples = samples_;
  for (size_t i = 0; i < samples.size(); i += kGroupSymbols) {
    groups.push_back(CountExponents(codec_, samples.subspan(i, kGroupSymbols)));
  }
  const uint64_t table_bits = TableSet::SerializedSize(codec_, 1) * 8;
  const TableClusters clusters(groups, table_bits / sample_stride_);

  std::vector<SymbolCounts> counts(std::max(clusters.size(), size_t{1}),
                                   SymbolCounts(SymbolCount(codec_), 0));
  for (size_t i = 0; i < groups.size(); ++i) {
    CountSymbols(samples.subspan(i * kGroupSymbols, kGroupSymbols),
                 &counts[clusters.cluster_of(i)]);
  }
  if (samples.empty()) counts[0][0] = 1;
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
