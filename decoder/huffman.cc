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
// the weights of the last list and each list's leaf marks are kept. `leaves` and `packages` end
// with a weight above all others; `merged` has room.
void MergeLevel(const std::vector<uint64_t>& leaves, const std::vector<uint64_t>& packages,
                size_t size, std::vector<uint64_t>* merged, uint8_t* is_leaf) {
  size_t leaf = 0;
  size_t package = 0;
  for (size_t i = 0; i < size; ++i) {
    const uint64_t leaf_weight = leaves[leaf];
    const uint64_t package_weight = packages[package];
    const bool take_leaf = leaf_weight <= package_weight;
    (*merged)[i] = take_leaf ? leaf_weight : package_weight;
    is_leaf[i] = take_leaf ? 1 : 0;
    leaf += take_leaf ? 1 : 0;
    package += take_leaf ? 0 : 1;
  }
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
  std::vector<uint64_t> leaf_weights;
  for (const Leaf& leaf : leaves) leaf_weights.push_back(leaf.count);
  leaf_weights.push_back(UINT64_MAX);
  const size_t most = 2 * leaves.size();
  std::vector<uint64_t> weights(most);
  std::vector<uint64_t> packages(most, UINT64_MAX);
  std::vector<std::vector<uint8_t>> levels(max_length, std::vector<uint8_t>(most));
  size_t package_count = 0;
  for (std::vector<uint8_t>& is_leaf : levels) {
    const size_t size = leaves.size() + package_count;
    MergeLevel(leaf_weights, packages, size, &weights, is_leaf.data());
    package_count = size / 2;
    for (size_t i = 0; i < package_count; ++i) packages[i] = weights[2 * i] + weights[2 * i + 1];
    packages[package_count] = UINT64_MAX;
  }
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
