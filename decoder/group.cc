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
void SplitWholeGroup(const uint8_t* weights, GroupSymbols* symbols, uint8_t* raw) {
  using Traits = Fp8Traits<kCodec>;
  for (size_t lane = 0; lane < kLaneCount; ++lane) {
    const uint8_t* lane_weights = weights + lane * kLaneWeights;
    const LaneWeights w = {LoadLe64(lane_weights), LoadLe64(lane_weights + 8)};
    const LaneExponents exponents = Traits::Exponents(w);
    std::array<uint8_t, 8> low;
    std::array<uint8_t, 8> high;
    StoreLe64(low.data(), exponents.low);
    StoreLe64(high.data(), exponents.high);
    for (size_t j = 0; j < kLaneSymbols; ++j) {
      (*symbols)[lane * kLaneSymbols + j] =
          static_cast<uint16_t>(low[j] | (high[j] << Traits::kExponentBits));
    }
    if (raw != nullptr) {
      std::array<uint8_t, 8> bytes;
      StoreLe64(bytes.data(), Traits::Raw(w));
      std::memcpy(raw + lane * Traits::kLaneRawBytes, bytes.data(), Traits::kLaneRawBytes);
    }
  }
}

}  // namespace

void SplitGroup(Codec codec, absl::Span<const uint8_t> weights, GroupSymbols* symbols,
                uint8_t* raw) {
  assert(!weights.empty() && weights.size() <= kGroupWeights);
  const uint8_t* whole = weights.data();
  std::array<uint8_t, kGroupWeights> filled;
  if (weights.size() < kGroupWeights) {
    std::fill(std::copy(weights.begin(), weights.end(), filled.begin()), filled.end(),
              weights.back());
    whole = filled.data();
  }
  if (codec == Codec::kE4M3) {
    SplitWholeGroup<Codec::kE4M3>(whole, symbols, raw);
  } else {
    SplitWholeGroup<Codec::kE5M2>(whole, symbols, raw);
  }
}

static_assert(kMaxTables == 8, "GroupCosts keeps a bit a table in a byte");

GroupCosts::GroupCosts(size_t symbol_count) : bits_(symbol_count), lacking_(symbol_count, 0xFF) {}

void GroupCosts::SetTable(size_t table, const CodeTable& code, uint16_t absent_bits) {
  assert(absent_bits <= kMaxAbsentBits);
  const auto mask = static_cast<uint8_t>(1u << table);
  for (size_t symbol = 0; symbol < bits_.size(); ++symbol) {
    const bool present = code.contains(symbol);
    const uint64_t bits = present ? static_cast<uint64_t>(code.bits(symbol)) : absent_bits;
    const size_t shift = table % 4 * 16;
    uint64_t& packed = bits_[symbol].tables[table / 4];
    packed = (packed & ~(uint64_t{0xFFFF} << shift)) | (bits << shift);
    const bool possible = present || absent_bits > 0;
    lacking_[symbol] =
        static_cast<uint8_t>(possible ? lacking_[symbol] & ~mask : lacking_[symbol] | mask);
  }
}

GroupCosts::Sums GroupCosts::Sum(absl::Span<const uint16_t> symbols) const {
  Packed packed;
  uint8_t lacking = 0;
  for (uint16_t symbol : symbols) {
    for (size_t i = 0; i < packed.tables.size(); ++i) {
      packed.tables[i] += bits_[symbol].tables[i];
    }
    lacking |= lacking_[symbol];
  }
  Sums sums;
  for (size_t table = 0; table < kMaxTables; ++table) {
    sums[table] = static_cast<uint16_t>(packed.tables[table / 4] >> (table % 4 * 16));
    if ((lacking >> table & 1) != 0) sums[table] = kImpossible;
  }
  return sums;
}

size_t GroupCosts::Cheapest(const Sums& sums) {
  return static_cast<size_t>(std::min_element(sums.begin(), sums.end()) - sums.begin());
}

}  // namespace ecf8
