#include "decoder/huffman.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "tests/decoder/weight_samples.h"

namespace ecf8 {
namespace {

uint64_t Cost(const std::vector<uint64_t>& counts, const std::vector<uint8_t>& lengths) {
  uint64_t cost = 0;
  for (size_t i = 0; i < counts.size(); ++i) cost += counts[i] * lengths[i];
  return cost;
}

uint64_t Kraft(const std::vector<uint8_t>& lengths, int max_length) {
  uint64_t sum = 0;
  for (uint8_t length : lengths) sum += length == 0 ? 0 : (uint64_t{1} << max_length) >> length;
  return sum;
}

// The least cost over all lengths 1..max_length that satisfy Kraft's inequality.
uint64_t BruteForce(const std::vector<uint64_t>& counts, int max_length) {
  std::vector<uint8_t> lengths(counts.size(), 1);
  uint64_t best = UINT64_MAX;
  while (true) {
    if (Kraft(lengths, max_length) <= uint64_t{1} << max_length) {
      best = std::min(best, Cost(counts, lengths));
    }
    size_t i = 0;
    while (i < lengths.size() && lengths[i] == max_length) lengths[i++] = 1;
    if (i == lengths.size()) return best;
    ++lengths[i];
  }
}

TEST(HuffmanTest, IsAsGoodAsEveryOtherCode) {
  TestRandom random(1);
  for (int round = 0; round < 300; ++round) {
    const size_t symbols = 2 + random.Below(5);
    const int max_length = 3 + static_cast<int>(random.Below(3));
    std::vector<uint64_t> counts(symbols);
    for (uint64_t& count : counts) count = 1 + random.Below(size_t{1} << (1 + random.Below(12)));
    const std::vector<uint8_t> lengths = LimitedCodeLengths(counts, max_length);
    EXPECT_EQ(Cost(counts, lengths), BruteForce(counts, max_length));
    EXPECT_LE(*std::max_element(lengths.begin(), lengths.end()), max_length);
  }
}

TEST(HuffmanTest, CodesAreComplete) {
  TestRandom random(2);
  for (const size_t symbols : {2u, 3u, 255u, 256u, 1000u, 1024u, 4096u}) {
    std::vector<uint64_t> counts(symbols);
    for (uint64_t& count : counts) count = 1 + (random.Next() >> (8 + random.Below(56)));
    const std::vector<uint8_t> lengths = LimitedCodeLengths(counts, 12);
    EXPECT_EQ(Kraft(lengths, 12), 4096u) << symbols;
    EXPECT_EQ(std::count(lengths.begin(), lengths.end(), 0), 0);
  }
}

TEST(HuffmanTest, KeepsTheLimitWhereHuffmanWouldNot) {
  std::vector<uint64_t> counts = {1, 1};
  while (counts.size() < 40)
    counts.push_back(counts[counts.size() - 1] + counts[counts.size() - 2]);
  const std::vector<uint8_t> lengths = LimitedCodeLengths(counts, 12);
  EXPECT_EQ(*std::max_element(lengths.begin(), lengths.end()), 12);
  EXPECT_EQ(Kraft(lengths, 12), 4096u);
}

TEST(HuffmanTest, AbsentSymbolsGetNoCode) {
  EXPECT_EQ(LimitedCodeLengths({0, 5, 0, 5}, 12), (std::vector<uint8_t>{0, 1, 0, 1}));
  EXPECT_EQ(LimitedCodeLengths({0, 0, 7}, 12), (std::vector<uint8_t>{0, 0, 1}));
  EXPECT_EQ(LimitedCodeLengths({0, 0}, 12), (std::vector<uint8_t>{0, 0}));
}

TEST(HuffmanTest, LowerSymbolsGetTheShorterOfEqualCodes) {
  EXPECT_EQ(LimitedCodeLengths({1, 1, 1}, 12), (std::vector<uint8_t>{1, 2, 2}));
}

}  // namespace
}  // namespace ecf8
