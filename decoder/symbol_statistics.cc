#include "decoder/symbol_statistics.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#include "absl/types/span.h"
#include "decoder/endian.h"
#include "decoder/format.h"
#include "decoder/fp8.h"
#include "decoder/group.h"
#include "decoder/table_clusters.h"

namespace ecf8 {
namespace {

// A seen symbol counts so much more than one that is only likely.
constexpr uint64_t kSeenWeight = 16;
// A symbol is likely if it is expected once in 2^15 symbols, 128 groups.
constexpr int kLikelyShift = 15;
static_assert(2 * kGroupSymbols / kCountedShare <= kMaxGroupExponents);

constexpr size_t ExponentBits(Codec codec) {
  return codec == Codec::kE4M3 ? Fp8Traits<Codec::kE4M3>::kExponentBits
                               : Fp8Traits<Codec::kE5M2>::kExponentBits;
}

uint64_t Total(const SymbolCounts& counts) {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

// Counts neighbours separately, as they are often equal: no increment waits for another.
template <typename Symbol, size_t kSymbols>
SymbolCounts CountIn(const uint8_t* samples, absl::Span<const uint32_t> groups) {
  std::array<std::array<uint32_t, kSymbols>, 4> counts{};
  std::array<Symbol, kGroupSymbols> symbols;
  for (uint32_t group : groups) {
    std::memcpy(symbols.data(), samples + group * sizeof(symbols), sizeof(symbols));
    for (size_t i = 0; i < kGroupSymbols; i += counts.size()) {
      for (size_t k = 0; k < counts.size(); ++k) ++counts[k][symbols[i + k]];
    }
  }
  SymbolCounts sum(kSymbols, 0);
  for (const std::array<uint32_t, kSymbols>& part : counts) {
    for (size_t symbol = 0; symbol < kSymbols; ++symbol) sum[symbol] += part[symbol];
  }
  return sum;
}

}  // namespace

void SymbolSamples::Append(const uint8_t* weights, size_t most) {
  if (bytes_.empty()) bytes_.reserve(most * group_bytes());
  if (codec_ == Codec::kE4M3) {
    std::array<uint8_t, kGroupSymbols> symbols;
    for (size_t lane = 0; lane < kLaneCount; ++lane) {
      const uint8_t* of_lane = weights + lane * kLaneWeights;
      const LaneExponents exponents =
          Fp8Traits<Codec::kE4M3>::Exponents({LoadLe64(of_lane), LoadLe64(of_lane + kLaneSymbols)});
      StoreLe64(&symbols[lane * kLaneSymbols], exponents.low | exponents.high << 4);
    }
    bytes_.insert(bytes_.end(), symbols.begin(), symbols.end());
  } else {
    GroupSymbols symbols;
    SplitSymbols(codec_, weights, &symbols);
    const auto* begin = reinterpret_cast<const uint8_t*>(symbols.data());
    bytes_.insert(bytes_.end(), begin, begin + group_bytes());
  }
}

void SymbolSamples::Halve() {
  const size_t kept = (size() + 1) / 2;
  for (size_t i = 1; i < kept; ++i) {
    std::memcpy(bytes_.data() + i * group_bytes(), bytes_.data() + 2 * i * group_bytes(),
                group_bytes());
  }
  bytes_.resize(kept * group_bytes());
}

GroupSymbols SymbolSamples::Group(size_t group) const {
  const uint8_t* bytes = bytes_.data() + group * group_bytes();
  GroupSymbols symbols;
  if (codec_ == Codec::kE4M3) {
    std::copy_n(bytes, kGroupSymbols, symbols.begin());
  } else {
    std::memcpy(symbols.data(), bytes, sizeof(symbols));
  }
  return symbols;
}

SymbolCounts SymbolSamples::CountSymbols(absl::Span<const uint32_t> groups) const {
  return codec_ == Codec::kE4M3 ? CountIn<uint8_t, 256>(bytes_.data(), groups)
                                : CountIn<uint16_t, 1024>(bytes_.data(), groups);
}

ExponentCounts CountExponents(Codec codec, const GroupSymbols& symbols) {
  const size_t bits = ExponentBits(codec);
  const size_t mask = (size_t{1} << bits) - 1;
  std::array<ExponentCounts, 4> counts{};  // as in CountIn
  for (size_t i = 0; i < symbols.size(); i += 2 * kCountedShare) {
    ++counts[0][symbols[i] & mask];
    ++counts[1][symbols[i] >> bits];
    ++counts[2][symbols[i + 1] & mask];
    ++counts[3][symbols[i + 1] >> bits];
  }
  ExponentCounts sum;
  for (size_t i = 0; i < sum.size(); ++i) {
    sum[i] = static_cast<uint16_t>(counts[0][i] + counts[1][i] + counts[2][i] + counts[3][i]);
  }
  return sum;
}

std::vector<uint16_t> PairCosts(Codec codec, const ExponentCounts& costs) {
  const size_t exponents = size_t{1} << ExponentBits(codec);
  std::vector<uint16_t> pairs(exponents * exponents);
  for (size_t symbol = 0; symbol < pairs.size(); ++symbol) {
    const int cost = costs[symbol % exponents] + costs[symbol / exponents];
    pairs[symbol] = static_cast<uint16_t>(cost / 2);
  }
  return pairs;
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
