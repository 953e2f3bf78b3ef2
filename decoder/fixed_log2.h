// Logarithms in integers: the same on every machine.
#ifndef ECF8_DECODER_FIXED_LOG2_H_
#define ECF8_DECODER_FIXED_LOG2_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace ecf8 {

inline constexpr int kLog2FractionBits = 8;

// 2^8 * log2(1 + i / 2^8), rounded down, by repeated squaring.
constexpr std::array<uint8_t, 256> MakeLog2Fractions() {
  std::array<uint8_t, 256> fractions{};
  for (uint64_t i = 0; i < fractions.size(); ++i) {
    uint64_t value = (256 + i) << 22;  // with 30 fraction bits, 1 to 2
    for (int bit = kLog2FractionBits - 1; bit >= 0; --bit) {
      value = (value * value) >> 30;
      if (value >> 31 == 0) continue;
      value >>= 1;
      fractions[i] = static_cast<uint8_t>(fractions[i] | 1 << bit);
    }
  }
  return fractions;
}
inline constexpr std::array<uint8_t, 256> kLog2Fractions = MakeLog2Fractions();

// 2^8 * log2(value), up to 1 too low; `value` must not be 0.
constexpr uint32_t FixedLog2(uint64_t value) {
  const int whole = std::bit_width(value) - 1;
  const uint64_t mantissa = whole >= 8 ? value >> (whole - 8) : value << (8 - whole);
  return (static_cast<uint32_t>(whole) << kLog2FractionBits) + kLog2Fractions[mantissa & 255];
}

}  // namespace ecf8

#endif  // ECF8_DECODER_FIXED_LOG2_H_
