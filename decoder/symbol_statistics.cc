#include "decoder/symbol_statistics.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "absl/types/span.h"
#include "decoder/format.h"
#include "decoder/fp8.h"
#include "decoder/table_clusters.h"

namespace ecf8 {
namespace {

// A seen symbol counts so much more than one that is only likely.
constexpr uint64_t kSeenWeight = 16;
// A symbol is likely if it is expected once in 2^15 symbols, 128 groups.
#ifndef TH
#define TH 15
#endif
constexpr int kLikelyShift = TH;

constexpr size_t ExponentBits(Codec codec) {
  return codec == Codec::kE4M3 ? Fp8Traits<Codec::kE4M3>::kExponentBits
                               : Fp8Traits<Codec::kE5M2>::kExponentBits;
}

uint64_t Total(const SymbolCounts& counts) {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

}  // namespace

ExponentCounts CountExponents(Codec codec, absl::Span<const uint16_t> symbols) {
  const size_t bits = ExponentBits(codec);
  const size_t mask = (size_t{1} << bits) - 1;
  // Separate counts for neighbours, which are often equal: no increment waits for another.
  std::array<ExponentCounts, 4> counts{};
#ifndef SS
#define SS 4
#endif
  for (size_t i = 0; i + 1 < symbols.size(); i += SS) {
    ++counts[0][symbols[i] & mask];
    ++counts[1][symbols[i] >> bits];
    ++counts[2][symbols[i + 1] & mask];
    ++counts[3][symbols[i + 1] >> bits];
  }
  ExponentCounts sum;
  for (size_t i = 0; i < sum.size(); ++i) {
    sum[i] = static_cast<int16_t>(counts[0][i] + counts[1][i] + counts[2][i] + counts[3][i]);
  }
  return sum;
}

void CountSymbols(absl::Span<const uint16_t> symbols, SymbolCounts* counts) {
  uint64_t* to = counts->data();
  for (uint16_t symbol : symbols) ++to[symbol];
}

void AddLikelySymbols(Codec codec, SymbolCounts* counts) {
  const size_t exponents = size_t{1} << ExponentBits(codec);
  std::vector<uint64_t> single(exponents, 0);  // either exponent of a pair
  for (size_t symbol = 0; symbol < counts->size(); ++symbol) {
    single[symbol % exponents] += (*counts)[symbol];
    single[symbol / exponents] += (*counts)[symbol];
  }
  const uint64_t total = Total(*counts);
  for (size_t symbol = 0; symbol < counts->size(); ++symbol) {
    const uint64_t product = single[symbol % exponents] * single[symbol / exponents] / 4;
    const bool likely = product << kLikelyShift >= total * total;
    (*counts)[symbol] = std::max((*counts)[symbol] * kSeenWeight, uint64_t{likely ? 1u : 0u});
  }
}

void CompleteOne(std::vector<SymbolCounts>* tables) {
  // Every added symbol makes all others longer by about the same.
  SymbolCounts* best = nullptr;
  uint64_t best_loss = UINT64_MAX;
  for (SymbolCounts& counts : *tables) {
    const auto absent = static_cast<uint64_t>(std::count(counts.begin(), counts.end(), 0));
    const uint64_t loss = absent * Total(counts);
    if (loss >= best_loss) continue;
    best_loss = loss;
    best = &counts;
  }
  for (uint64_t& count : *best) count = std::max(count, uint64_t{1});
}

}  // namespace ecf8
