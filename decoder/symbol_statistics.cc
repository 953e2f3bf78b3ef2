#include "decoder/symbol_statistics.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

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
// Of so many symbols, the exponents of the first two are counted.
constexpr size_t kCountedShare = 8;

constexpr size_t ExponentBits(Codec codec) {
  return codec == Codec::kE4M3 ? Fp8Traits<Codec::kE4M3>::kExponentBits
                               : Fp8Traits<Codec::kE5M2>::kExponentBits;
}

uint64_t Total(const SymbolCounts& counts) {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

template <Codec kCodec, typename Symbol>
ExponentCounts Exponents(const uint8_t* bytes) {
  constexpr size_t kBits = ExponentBits(kCodec);
  constexpr size_t kMask = (size_t{1} << kBits) - 1;
  std::array<Symbol, kGroupSymbols> symbols;
  std::memcpy(symbols.data(), bytes, sizeof(symbols));
  // Separate counts for neighbours, which are often equal: no increment waits for another.
  std::array<ExponentCounts, 4> counts{};
  for (size_t i = 0; i < kGroupSymbols; i += kCountedShare) {
    ++counts[0][symbols[i] & kMask];
    ++counts[1][symbols[i] >> kBits];
    ++counts[2][symbols[i + 1] & kMask];
    ++counts[3][symbols[i + 1] >> kBits];
  }
  ExponentCounts sum;
  for (size_t i = 0; i < sum.size(); ++i) {
    sum[i] = static_cast<int16_t>(counts[0][i] + counts[1][i] + counts[2][i] + counts[3][i]);
  }
  return sum;
}

template <typename Symbol, size_t kSymbols>
void AddSymbols(const uint8_t* bytes, std::array<std::array<uint32_t, kSymbols>, 4>* counts) {
  std::array<Symbol, kGroupSymbols> symbols;
  std::memcpy(symbols.data(), bytes, sizeof(symbols));
  for (size_t i = 0; i < kGroupSymbols; i += counts->size()) {
    for (size_t k = 0; k < counts->size(); ++k) ++(*counts)[k][symbols[i + k]];
  }
}

}  // namespace

void SymbolSamples::Append(const GroupSymbols& symbols, size_t most) {
  if (bytes_.empty()) bytes_.reserve(most * group_bytes());
  if (codec_ == Codec::kE4M3) {
    std::array<uint8_t, kGroupSymbols> narrow;
    for (size_t i = 0; i < kGroupSymbols; ++i) narrow[i] = static_cast<uint8_t>(symbols[i]);
    bytes_.insert(bytes_.end(), narrow.begin(), narrow.end());
  } else {
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

ExponentCounts SymbolSamples::CountExponents(size_t group) const {
  const uint8_t* bytes = bytes_.data() + group * group_bytes();
  return codec_ == Codec::kE4M3 ? Exponents<Codec::kE4M3, uint8_t>(bytes)
                                : Exponents<Codec::kE5M2, uint16_t>(bytes);
}

template <typename Symbol, size_t kSymbols>
SymbolCounts SymbolSamples::Count(absl::Span<const uint32_t> groups) const {
  // Separate counts for neighbours, as in Exponents().
  std::array<std::array<uint32_t, kSymbols>, 4> counts{};
  for (uint32_t group : groups) {
    AddSymbols<Symbol>(bytes_.data() + group * group_bytes(), &counts);
  }
  SymbolCounts sum(kSymbols, 0);
  for (const std::array<uint32_t, kSymbols>& part : counts) {
    for (size_t symbol = 0; symbol < kSymbols; ++symbol) sum[symbol] += part[symbol];
  }
  return sum;
}

SymbolCounts SymbolSamples::CountSymbols(absl::Span<const uint32_t> groups) const {
  return codec_ == Codec::kE4M3 ? Count<uint8_t, 256>(groups) : Count<uint16_t, 1024>(groups);
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
