#include "loader/analysis/fp8_grid.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ecf8 {
namespace {

constexpr Fp8Grid kE4M3Grid = {4, 3, 7, 0x7E};
constexpr Fp8Grid kE5M2Grid = {5, 2, 15, 0x7B};

}  // namespace

double Fp8Grid::Magnitude(uint8_t code) const {
  const int exponent = code >> mantissa_bits;
  const int mantissa = code & ((1 << mantissa_bits) - 1);
  // Exponent field 0 has the step of field 1, and no hidden bit.
  const int significand = mantissa + (exponent > 0 ? 1 << mantissa_bits : 0);
  return std::ldexp(significand, std::max(exponent, 1) - bias - mantissa_bits);
}

double Fp8Grid::UpperEdge(uint8_t code) const {
  if (code >= max_code) return std::numeric_limits<double>::infinity();
  return (Magnitude(code) + Magnitude(static_cast<uint8_t>(code + 1))) / 2;
}

double Fp8Grid::ExponentLowerEdge(size_t exponent) const {
  return exponent == 0 ? 0 : UpperEdge(static_cast<uint8_t>((exponent << mantissa_bits) - 1));
}

const Fp8Grid& GridOf(Codec codec) { return codec == Codec::kE5M2 ? kE5M2Grid : kE4M3Grid; }

uint8_t CastToE4M3(float value) {
  const uint8_t sign = std::signbit(value) ? 0x80 : 0;
  if (std::isnan(value)) return sign | 0x7F;
  const double magnitude = std::abs(static_cast<double>(value));
  if (magnitude >= kE4M3Grid.Magnitude(kE4M3Grid.max_code)) return sign | kE4M3Grid.max_code;
  // In units of the format's step there, which is constant below 2^-6; a significand that rounds up
  // to 16 is the next exponent's first code, as it should be.
  const int exponent = magnitude < 0x1p-6 ? -6 : std::ilogb(magnitude);
  const auto steps = static_cast<int>(std::nearbyint(std::ldexp(magnitude, 3 - exponent)));
  return static_cast<uint8_t>(sign | std::min((exponent + 6) * 8 + steps, int{kE4M3Grid.max_code}));
}

}  // namespace ecf8
