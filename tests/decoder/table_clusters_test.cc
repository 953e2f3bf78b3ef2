#include "decoder/table_clusters.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "decoder/format.h"
#include "gtest/gtest.h"

namespace ecf8 {
namespace {

// A group of 256 exponents, nearly all of them `exponent`.
ExponentCounts Group(size_t exponent) {
  ExponentCounts counts{};
  counts.fill(0);
  counts[exponent] = 248;
  counts[(exponent + 1) % 16] = 8;
  return counts;
}

TEST(TableClustersTest, NoGroupsHaveNoClusters) { EXPECT_TRUE(ClusterGroups({}, 1024).empty()); }

TEST(TableClustersTest, PartsWhatDiffers) {
  std::vector<ExponentCounts> groups;
  constexpr std::array<size_t, 6> kExponents = {0, 0, 0, 5, 5, 10};
  for (size_t i = 0; i < 300; ++i) groups.push_back(Group(kExponents[i % kExponents.size()]));
  const std::vector<ExponentCounts> costs = ClusterGroups(groups, 1024);
  ASSERT_EQ(costs.size(), 3u);
  for (const size_t exponent : {0, 5, 10}) {
    size_t cheap = 0;
    for (const ExponentCounts& cluster : costs) cheap += cluster[exponent] < 64 ? 1 : 0;
    EXPECT_EQ(cheap, 1u) << exponent;
  }
}

TEST(TableClustersTest, MergesWhatDoesNotPay) {
  const std::vector<ExponentCounts> groups = {Group(0), Group(1), Group(2)};
  EXPECT_EQ(ClusterGroups(groups, 1'000'000).size(), 1u);
  EXPECT_EQ(ClusterGroups(std::vector<ExponentCounts>(100, Group(3)), 1).size(), 1u);
}

TEST(TableClustersTest, HasNoMoreClustersThanTables) {
  std::vector<ExponentCounts> groups;
  for (size_t i = 0; i < 1600; ++i) groups.push_back(Group(i % 16));
  EXPECT_LE(ClusterGroups(groups, 0).size(), kMaxTables);
}

}  // namespace
}  // namespace ecf8
