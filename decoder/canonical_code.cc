#include "decoder/canonical_code.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "decoder/code_table.h"
#include "decoder/format.h"

namespace ecf8 {

CanonicalCode::CanonicalCode(Codec codec, const CodeTable& table) {
  std::array<uint32_t, kMaxCodeLength + 1> counts{};  // of codes of each length
  for (size_t symbol = 0; symbol < table.lengths().size(); ++symbol) {
    if (table.contains(symbol)) ++counts[static_cast<size_t>(table.bits(symbol))];
  }
  shortest = counts[0] == 0 ? 1 : 0;
  std::array<uint32_t, kMaxCodeLength + 1> next_rank{};
  uint32_t end = 0;  // of the windows that start with a code of this length or less
  uint32_t rank = 0;
  for (uint32_t length = 0; length <= kMaxCodeLength; ++length) {
    const uint32_t shift = kWindowBits - length;
    const auto offset = static_cast<uint16_t>(rank - (end >> shift));
    rank_offsets[shift] = offset;
    rank_offsets_low[length] = static_cast<uint8_t>(offset);
    rank_offsets_high[length] = static_cast<uint8_t>(offset >> 8);
    next_rank[length] = rank;
    rank += counts[length];
    const uint32_t begin = end;
    end += counts[length] << shift;
    constexpr int kFourShift = kWindowBits - 4;
    if (length <= 4) {
      std::fill(lengths_by_four.begin() + (begin >> kFourShift),
                lengths_by_four.begin() + (end >> kFourShift), static_cast<uint8_t>(length));
    } else if (length == 5) {
      std::fill(lengths_by_four.begin() + (begin >> kFourShift), lengths_by_four.end(), uint8_t{5});
    }
    if (length < kMaxCodeLength) {
      limits[length].fill(static_cast<int16_t>(static_cast<int32_t>(end / 2) - 1));
    }
    constexpr int kPrefixShift = kWindowBits - kPrefixBits;
    if (length <= kPrefixBits) {
      std::fill(prefix_shifts.begin() + (begin >> kPrefixShift),
                prefix_shifts.begin() + (end >> kPrefixShift), static_cast<uint8_t>(shift));
    } else if (length == kPrefixBits + 1) {
      std::fill(prefix_shifts.begin() + (begin >> kPrefixShift), prefix_shifts.end(),
                static_cast<uint8_t>(shift));
    }
  }
  for (size_t symbol = 0; symbol < table.lengths().size(); ++symbol) {
    if (!table.contains(symbol)) continue;
    const uint32_t at = next_rank[static_cast<size_t>(table.bits(symbol))]++;
    if (codec == Codec::kE4M3) {
      symbols[at] = static_cast<uint8_t>(symbol);
    } else {
      exponents[at] = static_cast<uint16_t>((symbol & 31) << 2 | (symbol >> 5) << 10);
    }
  }
}

void CanonicalCode::LookUpExponents(const uint16_t* ranks, uint16_t* to) const {
  for (size_t lane = 0; lane < kLaneCount; ++lane) {
    for (size_t j = 0; j < kLaneSymbols; ++j) {
      to[lane * kLaneSymbols + j] = exponents[ranks[j * kLaneCount + lane]];
    }
  }
}

}  // namespace ecf8
