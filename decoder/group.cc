#include "decoder/group.h"

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

template <Codec kCodec>
void SplitWholeSymbols(const uint8_t* weights, GroupSymbols* symbols) {
  using Traits = Fp8Traits<kCodec>;
  std::array<uint8_t, kGroupSymbols> low;
  std::array<uint8_t, kGroupSymbols> high;
  for (size_t lane = 0; lane < kLaneCount; ++lane) {
    const uint8_t* of_lane = weights + lane * kLaneWeights;
    const LaneExponents exponents = Traits::Exponents({LoadLe64(of_lane), LoadLe64(of_lane + 8)});
    StoreLe64(low.data() + lane * kLaneSymbols, exponents.low);
    StoreLe64(high.data() + lane * kLaneSymbols, exponents.high);
  }
  for (size_t i = 0; i < kGroupSymbols; ++i) {
    (*symbols)[i] = static_cast<uint16_t>(low[i] | (high[i] << Traits::kExponentBits));
  }
}

template <Codec kCodec>
void SplitWholeRaw(const uint8_t* weights, uint8_t* raw) {
  using Traits = Fp8Traits<kCodec>;
  for (size_t lane = 0; lane < kLaneCount; ++lane) {
    const uint8_t* of_lane = weights + lane * kLaneWeights;
    std::array<uint8_t, 8> bytes;
    StoreLe64(bytes.data(), Traits::Raw({LoadLe64(of_lane), LoadLe64(of_lane + 8)}));
    std::memcpy(raw + lane * Traits::kLaneRawBytes, bytes.data(), Traits::kLaneRawBytes);
  }
}

}  // namespace

void SplitSymbols(Codec codec, const uint8_t* weights, GroupSymbols* symbols) {
  if (codec == Codec::kE4M3) {
    SplitWholeSymbols<Codec::kE4M3>(weights, symbols);
  } else {
    SplitWholeSymbols<Codec::kE5M2>(weights, symbols);
  }
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
  if (weights.size() == kGroupWeights) return;
  std::fill(std::copy(weights.begin(), weights.end(), filled_.begin()), filled_.end(),
            weights.back());
  data_ = filled_.data();
}

GroupCosts::GroupCosts(size_t symbol_count) : rows_(symbol_count) {
  for (Row& row : rows_) row = Row{} + kAbsent;
}

void GroupCosts::SetTable(size_t table, absl::Span<const uint16_t> costs) {
  assert(costs.size() == rows_.size());
  for (size_t symbol = 0; symbol < rows_.size(); ++symbol) rows_[symbol][table] = costs[symbol];
}

void GroupCosts::SetTable(size_t table, const CodeTable& code) {
  for (size_t symbol = 0; symbol < rows_.size(); ++symbol) {
    rows_[symbol][table] =
        code.contains(symbol) ? static_cast<uint16_t>(code.bits(symbol)) : kAbsent;
  }
}

GroupCosts::Sums GroupCosts::Sum(const GroupSymbols& symbols) const {
  // Two of each, so that not every addition waits for the one before.
  Row sum[2] = {};
  Row any[2] = {};
  for (size_t i = 0; i < symbols.size(); i += 2) {
    for (size_t k = 0; k < 2; ++k) {
      const Row row = rows_[symbols[i + k]];
      sum[k] += row;
      any[k] |= row;
    }
  }
  const Row sums = sum[0] + sum[1];
  const Row absent = (any[0] | any[1]) & kAbsent;
  Sums result;
  for (size_t table = 0; table < kMaxTables; ++table) {
    result[table] = absent[table] != 0 ? kImpossible : sums[table];
  }
  return result;
}

size_t GroupCosts::Cheapest(const Sums& sums) {
  return static_cast<size_t>(std::min_element(sums.begin(), sums.end()) - sums.begin());
}

}  // namespace ecf8
