#include "decoder/huffman.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace ecf8 {
namespace {

struct Leaf {
  uint64_t count;
  size_t symbol;
};

// The present symbols, the one that gets the longest code first.
std::vector<Leaf> SortedLeaves(absl::Span<const uint64_t> counts) {
  std::vector<Leaf> leaves;
  for (size_t symbol = 0; symbol < counts.size(); ++symbol) {
    if (counts[symbol] != 0) leaves.push_back({counts[symbol], symbol});
  }
  std::sort(leaves.begin(), leaves.end(), [](const Leaf& a, const Leaf& b) {
    return a.count != b.count ? a.count < b.count : a.symbol > b.symbol;
  });
  return leaves;
}

// One level's list of coins: the leaves and the packages of the level below, merged by weight. Only
// the weights of the last list and each list's leaf marks are kept.
void MergeLevel(const std::vector<Leaf>& leaves, std::vector<uint64_t>* weights,
                std::vector<uint8_t>* is_leaf) {
  const size_t packages = weights->size() / 2;
  std::vector<uint64_t> merged(leaves.size() + packages);
  is_leaf->resize(merged.size());
  size_t leaf = 0;
  size_t package = 0;
  for (size_t i = 0; i < merged.size(); ++i) {
    const uint64_t package_weight =
        package < packages ? (*weights)[2 * package] + (*weights)[2 * package + 1] : UINT64_MAX;
    const uint64_t leaf_weight = leaf < leaves.size() ? leaves[leaf].count : UINT64_MAX;
    // Of equal weights the leaf; where none is left, its weight is above every package's.
    const bool take_leaf = leaf_weight <= package_weight;
    merged[i] = take_leaf ? leaf_weight : package_weight;
    (*is_leaf)[i] = take_leaf ? 1 : 0;
    leaf += take_leaf ? 1 : 0;
    package += take_leaf ? 0 : 1;
  }
  *weights = std::move(merged);
}

}  // namespace

std::vector<uint8_t> LimitedCodeLengths(absl::Span<const uint64_t> counts, int max_length) {
  std::vector<uint8_t> lengths(counts.size(), 0);
  const std::vector<Leaf> leaves = SortedLeaves(counts);
  assert(max_length >= 1 && max_length <= 16);
  assert(leaves.size() <= (size_t{1} << max_length));
  if (leaves.empty()) return lengths;
  if (leaves.size() == 1) {
    lengths[leaves[0].symbol] = 1;
    return lengths;
  }
  std::vector<uint64_t> weights;
  std::vector<std::vector<uint8_t>> levels(max_length);
  for (std::vector<uint8_t>& is_leaf : levels) MergeLevel(leaves, &weights, &is_leaf);
  // The cheapest 2n - 2 coins of the last list, opened level by level: a leaf's length is the
  // number of lists in which it was bought.
  size_t bought = 2 * leaves.size() - 2;
  for (size_t level = levels.size(); level-- > 0;) {
    size_t leaf = 0;
    for (size_t i = 0; i < bought; ++i) {
      if (levels[level][i] != 0) ++lengths[leaves[leaf++].symbol];
    }
    bought = 2 * (bought - leaf);
  }
  return lengths;
}

}  // namespace ecf8
