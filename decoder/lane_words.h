// 16-bit words of all lanes, and shifts by products: the simplest vector units (SSE2) shift
// elements by different counts only through multiplication. Compilers vectorise loops of these.
#ifndef ECF8_DECODER_LANE_WORDS_H_
#define ECF8_DECODER_LANE_WORDS_H_

#include <array>
#include <cstdint>

#include "decoder/format.h"

namespace ecf8 {

using LaneWords = std::array<uint16_t, kLaneCount>;

// The low and the high half of a product.
constexpr uint16_t MulLow(uint16_t a, uint16_t b) { return static_cast<uint16_t>(uint32_t{a} * b); }
constexpr uint16_t MulHigh(uint16_t a, uint16_t b) {
  return static_cast<uint16_t>((uint32_t{a} * b) >> 16);
}

// 2^n for n below 16.
constexpr uint16_t PowerOfTwo(uint16_t n) {
  const auto low = static_cast<uint16_t>((1 + (n & 1)) * (1 + 3 * ((n >> 1) & 1)));
  const auto high = static_cast<uint16_t>((1 + 15 * ((n >> 2) & 1)) * (1 + 255 * ((n >> 3) & 1)));
  return MulLow(low, high);
}

}  // namespace ecf8

#endif  // ECF8_DECODER_LANE_WORDS_H_
