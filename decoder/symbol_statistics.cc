#include "decoder/symbol_statistics.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#include "absl/types/span.h"
#include "decoder/encoders.h"
#include "decoder/format.h"
#include "decoder/fp8.h"
#include "decoder/group.h"
#include "decoder/symbol_set.h"
#include "decoder/table_clusters.h"

namespace ecf8 {
namespace {

// A seen symbol counts so much more than one that is only likely.
constexpr uint64_t kSeenWeight = 16;
// A symbol is likely if it is expected once in 2^15 symbols, 128 groups.
constexpr int kLikelyShift = 15;
static_assert(2 * kGroupSymbols / SymbolSamples::kCountedShare <= kMaxGroupExponents);

// A group is judged by one lane in so many.
constexpr size_t kJudgedShare = 4;

constexpr size_t ExponentBits(Codec codec) {
  return codec == Codec::kE4M3 ? Fp8Traits<Codec::kE4M3>::kExponentBits
                               : Fp8Traits<Codec::kE5M2>::kExponentBits;
}

uint64_t Total(const SymbolCounts& counts) {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

template <typename Symbol>
GroupSymbols<Symbol> SymbolsAt(const uint8_t* samples, size_t group) {
  GroupSymbols<Symbol> symbols;
  std::memcpy(symbols.data(), samples + group * sizeof(symbols), sizeof(symbols));
  return symbols;
}

// The table that each group takes, and the counted symbols of all groups that take it.
struct Assignment {
  std::vector<uint8_t> tables;
  std::vector<SymbolCounts> counts;
};

// One pass, in order, since counting a group is cheap while it is at hand. Counts one lane in
// kCountedShare: not the same in all groups, as many may begin at the same column of a matrix.
// Counts neighbours separately, as they are often equal: no increment waits for another.
template <typename Symbol, size_t kSymbols>
Assignment Assign(absl::Span<const uint8_t> samples, const GroupCosts& costs) {
  constexpr size_t kShare = SymbolSamples::kCountedShare;
  constexpr size_t kParts = 2;
  std::vector<std::array<std::array<uint32_t, kSymbols>, kParts>> parts(kMaxTables);
  Assignment assignment;
  const size_t groups = samples.size() / sizeof(GroupSymbols<Symbol>);
  for (size_t group = 0; group < groups; ++group) {
    const auto symbols = SymbolsAt<Symbol>(samples.data(), group);
    const size_t table = GroupCosts::Cheapest(costs.Sum(symbols.data(), kJudgedShare));
    assignment.tables.push_back(static_cast<uint8_t>(table));
    for (size_t i = group % kShare * kLaneSymbols; i < kGroupSymbols; i += kShare * kLaneSymbols) {
      for (size_t j = 0; j < kLaneSymbols; ++j) ++parts[table][j % kParts][symbols[i + j]];
    }
  }
  for (const auto& of_table : parts) {
    SymbolCounts& sum = assignment.counts.emplace_back(kSymbols, 0);
    for (const auto& part : of_table) {
      for (size_t symbol = 0; symbol < kSymbols; ++symbol) sum[symbol] += part[symbol] * kShare;
    }
  }
  return assignment;
}

template <typename Symbol, size_t kSymbols>
std::vector<SymbolCounts> CountSymbolsIn(absl::Span<const uint8_t> samples, const GroupCosts& costs,
                                         bool (*lacks)(const SymbolSet& set,
                                                       const Symbol* symbols)) {
  auto [tables, counts] = Assign<Symbol, kSymbols>(samples, costs);
  const std::vector<SymbolSet> counted(counts.begin(), counts.end());
  for (size_t group = 0; group < tables.size(); ++group) {
    const auto symbols = SymbolsAt<Symbol>(samples.data(), group);
    const size_t table = tables[group];
    if (!lacks(counted[table], symbols.data())) continue;
    for (Symbol symbol : symbols) counts[table][symbol] += counted[table].lacking[symbol];
  }
  counts.erase(std::remove_if(counts.begin(), counts.end(),
                              [](const SymbolCounts& table) { return Total(table) == 0; }),
               counts.end());
  return counts;
}

// The exponents, of kBits bits, of two symbols in 2 * kCountedShare.
template <size_t kBits, typename Symbol>
ExponentCounts CountExponentsIn(const GroupSymbols<Symbol>& symbols) {
  constexpr size_t kMask = (size_t{1} << kBits) - 1;
  std::array<ExponentCounts, 4> counts{};  // as above
  for (size_t i = 0; i < symbols.size(); i += 2 * SymbolSamples::kCountedShare) {
    ++counts[0][symbols[i] & kMask];
    ++counts[1][symbols[i] >> kBits];
    ++counts[2][symbols[i + 1] & kMask];
    ++counts[3][symbols[i + 1] >> kBits];
  }
  ExponentCounts sum;
  for (size_t i = 0; i < sum.size(); ++i) {
    sum[i] = static_cast<uint16_t>(counts[0][i] + counts[1][i] + counts[2][i] + counts[3][i]);
  }
  return sum;
}

template <typename Symbol>
void AppendBytes(const GroupSymbols<Symbol>& symbols, std::vector<uint8_t>* bytes) {
  const auto* begin = reinterpret_cast<const uint8_t*>(symbols.data());
  bytes->insert(bytes->end(), begin, begin + sizeof(symbols));
}

}  // namespace

void SymbolSamples::Append(const uint8_t* weights, size_t most) {
  if (bytes_.empty()) bytes_.reserve(most * group_bytes());
  if (codec_ == Codec::kE4M3) {
    AppendBytes(SplitSymbols<Codec::kE4M3>(weights), &bytes_);
  } else {
    AppendBytes(SplitSymbols<Codec::kE5M2>(weights), &bytes_);
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
  return codec_ == Codec::kE4M3 ? CountExponentsIn<4>(SymbolsAt<uint8_t>(bytes_.data(), group))
                                : CountExponentsIn<5>(SymbolsAt<uint16_t>(bytes_.data(), group));
}

std::vector<SymbolCounts> SymbolSamples::CountSymbols(const GroupCosts& costs) const {
  return codec_ == Codec::kE4M3
             ? CountSymbolsIn<uint8_t, 256>(bytes_, costs, encoder_->lacks_e4m3)
             : CountSymbolsIn<uint16_t, 1024>(bytes_, costs, LacksSymbol<uint16_t>);
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
