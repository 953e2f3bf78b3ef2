#include "decoder/lane_merge.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "decoder/endian.h"
#include "decoder/format.h"
#include "decoder/fp8.h"

namespace ecf8 {

void MergeE5M2(const std::array<uint16_t, kGroupSymbols>& symbols, const uint8_t* raw,
               uint8_t* out) {
  using Traits = Fp8Traits<Codec::kE5M2>;
  std::array<LaneExponents, kLaneCount> exponents{};
  for (size_t j = 0; j < kLaneSymbols; ++j) {
    for (size_t lane = 0; lane < kLaneCount; ++lane) {
      const uint64_t symbol = symbols[j * kLaneCount + lane];
      exponents[lane].low |= (symbol & 31) << (8 * j);
      exponents[lane].high |= (symbol >> Traits::kExponentBits) << (8 * j);
    }
  }
  for (size_t lane = 0; lane < kLaneCount; ++lane) {
    std::array<uint8_t, 8> bytes{};
    std::memcpy(bytes.data(), raw + lane * Traits::kLaneRawBytes, Traits::kLaneRawBytes);
    const LaneWeights weights = Traits::Merge(exponents[lane], LoadLe64(bytes.data()));
    StoreLe64(out + lane * kLaneWeights, weights.low);
    StoreLe64(out + lane * kLaneWeights + 8, weights.high);
  }
}

}  // namespace ecf8
