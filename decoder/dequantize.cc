#include "decoder/dequantize.h"

#include <bit>
#include <cmath>
#include <limits>

#include "decoder/decoders.h"
#if defined(__x86_64__)
#include "decoder/dequantize_avx512.h"
#endif

namespace ecf8 {
namespace {

constexpr size_t kMagnitudes = 128;  // weights without their sign

struct Fp8Shape {
  int mantissa_bits;
  int bias;
};

constexpr Fp8Shape ShapeOf(Codec codec) {
  return codec == Codec::kE4M3 ? Fp8Shape{3, 7} : Fp8Shape{2, 15};
}

// E4M3 has one NaN a sign and no infinity; E5M2 has the largest exponent for both.
float ValueOf(Codec codec, uint32_t magnitude) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  if (codec == Codec::kE4M3 && magnitude == 0x7F) return kNan;
  if (codec == Codec::kE5M2 && magnitude > 0x7C) return kNan;
  if (codec == Codec::kE5M2 && magnitude == 0x7C) return std::numeric_limits<float>::infinity();
  const Fp8Shape shape = ShapeOf(codec);
  const uint32_t exponent = magnitude >> shape.mantissa_bits;
  const uint32_t mantissa = magnitude & ((1U << shape.mantissa_bits) - 1);
  const uint32_t hidden = exponent == 0 ? 0 : 1U << shape.mantissa_bits;
  const int power = static_cast<int>(exponent == 0 ? 1 : exponent) - shape.bias;
  return std::ldexp(static_cast<float>(hidden + mantissa), power - shape.mantissa_bits);
}

std::array<float, kMagnitudes> Scale(Codec codec, float scale) {
  static const auto values = [] {
    std::array<std::array<float, kMagnitudes>, 2> both{};
    for (uint32_t i = 0; i < kMagnitudes; ++i) {
      both[0][i] = ValueOf(Codec::kE4M3, i);
      both[1][i] = ValueOf(Codec::kE5M2, i);
    }
    return both;
  }();
  std::array<float, kMagnitudes> scaled;
  for (size_t i = 0; i < kMagnitudes; ++i) {
    scaled[i] = values[codec == Codec::kE4M3 ? 0 : 1][i] * scale;
  }
  return scaled;
}

constexpr uint16_t RoundToBf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  return static_cast<uint16_t>(value != value ? 0x7FC0 : rounded);
}

Bf16RowLookup SelectLookup() {
#if defined(__x86_64__)
  if (SelectedDecoder().name == "avx512") return LookUpBf16RowAvx512;
#endif
  return LookUpBf16RowPortable;
}

}  // namespace

void LookUpBf16RowPortable(const Bf16Table& table, const uint8_t* weights, size_t count,
                           uint16_t* out) {
  for (size_t i = 0; i < count; ++i) {
    const uint32_t weight = weights[i];
    out[i] = static_cast<uint16_t>(table[weight & 0x7F] ^ ((weight & 0x80) << 8));
  }
}

void DequantizeToBf16(const ScaledBlock& block, uint16_t* out) {
  static const Bf16RowLookup look_up = SelectLookup();
  const std::array<float, kMagnitudes> scaled = Scale(block.codec, block.scale);
  alignas(64) Bf16Table table;
  for (size_t i = 0; i < kMagnitudes; ++i) table[i] = RoundToBf16(scaled[i]);
  for (size_t row = 0; row < block.rows; ++row) {
    const size_t offset = row * block.stride;
    look_up(table, block.weights + offset, block.columns, out + offset);
  }
}

void DequantizeToF32(const ScaledBlock& block, float* out) {
  const std::array<float, kMagnitudes> table = Scale(block.codec, block.scale);
  for (size_t row = 0; row < block.rows; ++row) {
    const size_t offset = row * block.stride;
    for (size_t i = 0; i < block.columns; ++i) {
      const uint32_t weight = block.weights[offset + i];
      const auto bits = std::bit_cast<uint32_t>(table[weight & 0x7F]) ^ ((weight & 0x80) << 24);
      out[offset + i] = std::bit_cast<float>(bits);
    }
  }
}

}  // namespace ecf8
