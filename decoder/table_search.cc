#include "decoder/table_search.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/format.h"
#include "decoder/group.h"
#include "decoder/table_clusters.h"

namespace ecf8 {
namespace {

constexpr size_t kMaxSamples = 4096;  // 2 MiB

}  // namespace

TableSearch::TableSearch(Codec codec)
    : codec_(codec), symbol_count_(SymbolCount(codec)), present_(symbol_count_, 0) {}

void TableSearch::Add(absl::Span<const uint8_t> weights) {
  GroupSymbols symbols;
  while (!weights.empty()) {
    SplitGroup(codec_, weights.subspan(0, kGroupWeights), &symbols, nullptr);
    for (uint16_t symbol : symbols) present_[symbol] = 1;
    if (groups_seen_ % sample_stride_ == 0) AddSample(symbols);
    ++groups_seen_;
    weights.remove_prefix(std::min(weights.size(), kGroupWeights));
  }
}

void TableSearch::AddSample(const GroupSymbols& symbols) {
  if (samples_.size() == kMaxSamples * kGroupSymbols) {
    // Keep every second sample: the even multiples of the old stride.
    for (size_t i = 0; i < kMaxSamples / 2; ++i) {
      std::copy_n(samples_.begin() + 2 * i * kGroupSymbols, kGroupSymbols,
                  samples_.begin() + i * kGroupSymbols);
    }
    samples_.resize(samples_.size() / 2);
    sample_stride_ *= 2;
    if (groups_seen_ % sample_stride_ != 0) return;
  }
  samples_.insert(samples_.end(), symbols.begin(), symbols.end());
}

TableSet TableSearch::Build() const {
  TableClusters clusters(codec_, samples_);
  clusters.Refine();
  if (clusters.Merge()) clusters.Refine();
  if (sample_stride_ > 1) clusters.CompleteOne(present_);
  return TableSet(codec_, clusters.Tables());
}

}  // namespace ecf8
