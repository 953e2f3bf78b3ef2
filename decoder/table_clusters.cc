#include "decoder/table_clusters.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "decoder/fixed_log2.h"
#include "decoder/format.h"

namespace ecf8 {
namespace {

constexpr int kMaxRounds = 12;
// Another round is worth its time while more than one group in this many has moved.
constexpr size_t kMovedShare = 50;
// Costs are in sixteenths of a bit.
constexpr int kCostShift = kLog2FractionBits - 4;
// What an exponent costs in a cluster that has not seen it.
constexpr uint32_t kUnseenCost = 12 * 16;
static_assert(kMaxGroupExponents * kUnseenCost <= UINT16_MAX, "see Cost()");

template <typename Counts>
uint64_t Total(const Counts& counts) {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

// The cost of each exponent in an ideal code.
template <typename Counts>
ExponentCounts IdealCosts(const Counts& counts) {
  ExponentCounts costs;
  const uint64_t total = Total(counts);
  for (size_t i = 0; i < counts.size(); ++i) {
    costs[i] = kUnseenCost;
    if (counts[i] == 0) continue;
    const uint32_t cost = FixedLog2(total) - FixedLog2(static_cast<uint64_t>(counts[i]));
    costs[i] = static_cast<uint16_t>(std::min(cost >> kCostShift, kUnseenCost));
  }
  return costs;
}

// In vectors of 16 bits, which all machines have: not even the sum of all needs more.
uint32_t Cost(const ExponentCounts& group, const ExponentCounts& costs) {
  using Vector = uint16_t __attribute__((vector_size(16)));
  constexpr size_t kElements = sizeof(Vector) / sizeof(uint16_t);
  Vector sums{};
  for (size_t i = 0; i < group.size(); i += kElements) {
    Vector counts;
    Vector each;
    std::memcpy(&counts, &group[i], sizeof(counts));
    std::memcpy(&each, &costs[i], sizeof(each));
    sums += counts * each;
  }
  uint32_t sum = 0;
  for (size_t i = 0; i < kElements; ++i) sum += sums[i];
  return sum;
}

// Bits of all exponents in an ideal code, times 2^kLog2FractionBits.
template <typename Counts>
uint64_t IdealBits(const Counts& counts) {
  uint64_t bits = 0;
  const uint64_t total = Total(counts);
  for (const int32_t count : counts) {
    if (count == 0) continue;
    const auto times = static_cast<uint64_t>(count);
    bits += times * (FixedLog2(total) - FixedLog2(times));
  }
  return bits;
}

template <typename Counts>
Counts Sum(const Counts& a, const Counts& b) {
  Counts sum;
  std::transform(a.begin(), a.end(), b.begin(), sum.begin(), std::plus<>());
  return sum;
}

class Clusters {
 public:
  Clusters(absl::Span<const ExponentCounts> groups, uint64_t table_bits);

  std::vector<ExponentCounts> Costs() const;

 private:
  using Counts = std::array<int32_t, 32>;

  static constexpr uint8_t kNone = UINT8_MAX;

  static void Add(const ExponentCounts& group, int32_t times, Counts* counts);
  void Move(size_t group, size_t cluster);
  void StartByCost();
  void Refine();
  size_t Reassign();
  bool Merge(uint64_t table_bits);
  void Erase(size_t cluster);

  absl::Span<const ExponentCounts> groups_;
  std::vector<uint8_t> cluster_of_;  // of each group, or kNone
  std::vector<Counts> clusters_;
};

Clusters::Clusters(absl::Span<const ExponentCounts> groups, uint64_t table_bits)
    : groups_(groups), cluster_of_(groups.size(), kNone) {
  if (groups_.empty()) return;
  StartByCost();
  Refine();
  if (Merge(table_bits)) Refine();
}

std::vector<ExponentCounts> Clusters::Costs() const {
  std::vector<ExponentCounts> costs;
  for (const Counts& cluster : clusters_) costs.push_back(IdealCosts(cluster));
  return costs;
}

void Clusters::Add(const ExponentCounts& group, int32_t times, Counts* counts) {
  for (size_t i = 0; i < group.size(); ++i) (*counts)[i] += times * group[i];
}

void Clusters::Move(size_t group, size_t cluster) {
  if (cluster == cluster_of_[group]) return;
  if (cluster_of_[group] != kNone) Add(groups_[group], -1, &clusters_[cluster_of_[group]]);
  Add(groups_[group], 1, &clusters_[cluster]);
  cluster_of_[group] = static_cast<uint8_t>(cluster);
}

// Equal shares of the groups in order of their cost in one common code: wide distributions and
// narrow ones are what differs most between groups.
void Clusters::StartByCost() {
  Counts all{};
  for (size_t i = 0; i < groups_.size(); ++i) Add(groups_[i], 1, &all);
  const ExponentCounts costs = IdealCosts(all);
  std::vector<std::pair<uint32_t, uint32_t>> order;
  for (size_t i = 0; i < groups_.size(); ++i) {
    order.emplace_back(Cost(groups_[i], costs), static_cast<uint32_t>(i));
  }
  std::sort(order.begin(), order.end());
  clusters_.assign(std::min(kMaxTables, order.size()), Counts{});
  for (size_t i = 0; i < order.size(); ++i) {
    Move(order[i].second, i * clusters_.size() / order.size());
  }
}

// Forgets a cluster; groups of later ones follow.
void Clusters::Erase(size_t cluster) {
  clusters_.erase(clusters_.begin() + static_cast<ptrdiff_t>(cluster));
  for (uint8_t& other : cluster_of_) {
    if (other != kNone && other > cluster) --other;
  }
}

// Assigns groups to the cheapest cluster; returns how many moved.
size_t Clusters::Reassign() {
  const std::vector<ExponentCounts> costs = Costs();
  size_t moved = 0;
  for (size_t group = 0; group < groups_.size(); ++group) {
    std::array<uint32_t, kMaxTables> sums;
    sums.fill(UINT32_MAX);
    for (size_t i = 0; i < costs.size(); ++i) sums[i] = Cost(groups_[group], costs[i]);
    const auto best =
        static_cast<size_t>(std::min_element(sums.begin(), sums.end()) - sums.begin());
    moved += best != cluster_of_[group] ? 1 : 0;
    Move(group, best);
  }
  for (size_t i = clusters_.size(); i-- > 0;) {
    if (Total(clusters_[i]) == 0) Erase(i);
  }
  return moved;
}

void Clusters::Refine() {
  for (int round = 0; round < kMaxRounds; ++round) {
    if (Reassign() * kMovedShare <= groups_.size()) return;
  }
}

bool Clusters::Merge(uint64_t table_bits) {
  bool merged_any = false;
  while (clusters_.size() > 1) {
    size_t best_a = 0;
    size_t best_b = 0;
    uint64_t best_loss = UINT64_MAX;
    for (size_t a = 0; a < clusters_.size(); ++a) {
      for (size_t b = a + 1; b < clusters_.size(); ++b) {
        const uint64_t apart = IdealBits(clusters_[a]) + IdealBits(clusters_[b]);
        // Rounded logarithms may make it a little less.
        const uint64_t loss = std::max(IdealBits(Sum(clusters_[a], clusters_[b])), apart) - apart;
        if (loss >= best_loss) continue;
        best_loss = loss;
        best_a = a;
        best_b = b;
      }
    }
    if (best_loss >= table_bits << kLog2FractionBits) break;
    clusters_[best_a] = Sum(clusters_[best_a], clusters_[best_b]);
    for (uint8_t& cluster : cluster_of_) {
      if (cluster == best_b) cluster = static_cast<uint8_t>(best_a);
    }
    Erase(best_b);
    merged_any = true;
  }
  return merged_any;
}

}  // namespace

std::vector<ExponentCounts> ClusterGroups(absl::Span<const ExponentCounts> groups,
                                          uint64_t table_bits) {
  return Clusters(groups, table_bits).Costs();
}

}  // namespace ecf8
