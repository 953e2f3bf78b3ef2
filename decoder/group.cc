#include "decoder/group.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/types/span.h"
#include "decoder/code_table.h"
#include "decoder/endian.h"
#include "decoder/format.h"
#include "decoder/fp8.h"

namespace ecf8 {
namespace {

// 64-bit words of two lanes: vectors that all machines have.
using Words = uint64_t __attribute__((vector_size(16)));
constexpr size_t kVectorLanes = sizeof(Words) / sizeof(uint64_t);

LaneWeightsOf<Words> LoadLanes(const uint8_t* weights) {
  const uint8_t* next = weights + kLaneWeights;
  return {Words{LoadLe64(weights), LoadLe64(next)},
          Words{LoadLe64(weights + 8), LoadLe64(next + 8)}};
}

template <Codec kCodec>
void SplitWholeRaw(const uint8_t* weights, uint8_t* raw) {
  using Traits = Fp8Traits<kCodec>;
  for (size_t lane = 0; lane < kLaneCount; lane += kVectorLanes) {
    const Words words = Traits::Raw(LoadLanes(weights + lane * kLaneWeights));
    for (size_t k = 0; k < kVectorLanes; ++k) {
      std::array<uint8_t, 8> bytes;
      StoreLe64(bytes.data(), words[k]);
      std::memcpy(raw + (lane + k) * Traits::kLaneRawBytes, bytes.data(), Traits::kLaneRawBytes);
    }
  }
}

// Asks for what the group kPrefetchBytes further on will read: processors do not look ahead across
// pages by themselves. There may be nothing there, which does no harm.
void PrefetchLater(const uint8_t* weights) {
  constexpr uintptr_t kPrefetchBytes = 4096;
  constexpr size_t kCacheLine = 64;
  for (size_t i = 0; i < kGroupWeights; i += kCacheLine) {
    __builtin_prefetch(
        reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(weights) + kPrefetchBytes + i));
  }
}

using Counters = uint16_t __attribute__((vector_size(16)));

// No compiler makes the one instruction of it that most machines have.
Counters AddSaturated(Counters a, Counters b) {
#if defined(__SSE2__)
  return reinterpret_cast<Counters>(
      _mm_adds_epu16(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#elif defined(__ARM_NEON)
  return reinterpret_cast<Counters>(
      vqaddq_u16(reinterpret_cast<uint16x8_t>(a), reinterpret_cast<uint16x8_t>(b)));
#else
  const Counters sum = a + b;
  return sum | reinterpret_cast<Counters>(sum < a);
#endif
}

}  // namespace

template <>
GroupSymbols<uint8_t> SplitSymbols<Codec::kE4M3>(const uint8_t* weights) {
  GroupSymbols<uint8_t> symbols;
  for (size_t lane = 0; lane < kLaneCount; lane += kVectorLanes) {
    const auto exponents =
        Fp8Traits<Codec::kE4M3>::Exponents(LoadLanes(weights + lane * kLaneWeights));
    const Words pairs = exponents.low | exponents.high << 4;
    std::memcpy(&symbols[lane * kLaneSymbols], &pairs, sizeof(pairs));
  }
  return symbols;
}

template <>
GroupSymbols<uint16_t> SplitSymbols<Codec::kE5M2>(const uint8_t* weights) {
  using Traits = Fp8Traits<Codec::kE5M2>;
  std::array<uint8_t, kGroupSymbols> low;
  std::array<uint8_t, kGroupSymbols> high;
  for (size_t lane = 0; lane < kLaneCount; lane += kVectorLanes) {
    const auto exponents = Traits::Exponents(LoadLanes(weights + lane * kLaneWeights));
    std::memcpy(&low[lane * kLaneSymbols], &exponents.low, sizeof(Words));
    std::memcpy(&high[lane * kLaneSymbols], &exponents.high, sizeof(Words));
  }
  GroupSymbols<uint16_t> symbols;
  for (size_t i = 0; i < kGroupSymbols; ++i) {
    symbols[i] = static_cast<uint16_t>(low[i] | (high[i] << Traits::kExponentBits));
  }
  return symbols;
}

void SplitRaw(Codec codec, const uint8_t* weights, uint8_t* raw) {
  if (codec == Codec::kE4M3) {
    SplitWholeRaw<Codec::kE4M3>(weights, raw);
  } else {
    SplitWholeRaw<Codec::kE5M2>(weights, raw);
  }
}

WholeGroup::WholeGroup(absl::Span<const uint8_t> weights) : data_(weights.data()) {
  assert(!weights.empty() && weights.size() <= kGroupWeights);
  PrefetchLater(data_);
  if (weights.size() == kGroupWeights) return;
  std::fill(std::copy(weights.begin(), weights.end(), filled_.begin()), filled_.end(),
            weights.back());
  data_ = filled_.data();
}

GroupCosts::GroupCosts(size_t symbol_count) : rows_(symbol_count) {
  for (Row& row : rows_) row = Row{} + kImpossible;
}

void GroupCosts::SetTable(size_t table, absl::Span<const uint16_t> costs) {
  assert(costs.size() == rows_.size());
  for (size_t symbol = 0; symbol < rows_.size(); ++symbol) rows_[symbol][table] = costs[symbol];
}

void GroupCosts::SetTable(size_t table, const CodeTable& code) {
  for (size_t symbol = 0; symbol < rows_.size(); ++symbol) {
    rows_[symbol][table] =
        code.contains(symbol) ? static_cast<uint16_t>(code.bits(symbol)) : kImpossible;
  }
}

template <typename Symbol>
GroupCosts::Sums GroupCosts::Sum(const Symbol* symbols, size_t lane_stride) const {
  // Four sums, so that not every addition waits for the one before.
  constexpr size_t kSums = 4;
  static_assert(kLaneSymbols % kSums == 0);
  const Row* const rows = rows_.data();
  std::array<Row, kSums> parts = {};
  for (size_t i = 0; i < kGroupSymbols; i += lane_stride * kLaneSymbols) {
    for (size_t j = 0; j < kLaneSymbols; ++j) {
      parts[j % kSums] = AddSaturated(parts[j % kSums], rows[symbols[i + j]]);
    }
  }
  const Row all = AddSaturated(AddSaturated(parts[0], parts[1]), AddSaturated(parts[2], parts[3]));
  Sums sums;
  std::memcpy(sums.data(), &all, sizeof(sums));
  return sums;
}
template GroupCosts::Sums GroupCosts::Sum<uint8_t>(const uint8_t* symbols, size_t) const;
template GroupCosts::Sums GroupCosts::Sum<uint16_t>(const uint16_t* symbols, size_t) const;

size_t GroupCosts::Cheapest(const Sums& sums) {
  // Without branches, which nobody could predict.
  static_assert(kMaxTables <= 8);
  uint32_t best = UINT32_MAX;
  for (uint32_t i = 0; i < sums.size(); ++i) best = std::min(best, uint32_t{sums[i]} << 3 | i);
  return best & 7;
}

}  // namespace ecf8
