#include "decoder/dequantize.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "decoder/decoders.h"
#if defined(__x86_64__)
#include "decoder/decoder_avx512.h"
#include "decoder/dequantize_avx512.h"
#endif
#include "gtest/gtest.h"
#include "tests/decoder/guarded_buffer.h"
#include "tests/decoder/weight_samples.h"

namespace ecf8 {
namespace {

// As the formats' definitions say it.
double Value(Codec codec, uint8_t weight) {
  const bool e4m3 = codec == Codec::kE4M3;
  const int mantissa_bits = e4m3 ? 3 : 2;
  const int exponent = (weight & 0x7F) >> mantissa_bits;
  const double mantissa = (weight & ((1 << mantissa_bits) - 1)) / std::exp2(mantissa_bits);
  const double sign = (weight & 0x80) != 0 ? -1 : 1;
  const int bias = e4m3 ? 7 : 15;
  if (e4m3 && (weight & 0x7F) == 0x7F) return std::numeric_limits<double>::quiet_NaN();
  if (!e4m3 && exponent == 31) {
    return mantissa == 0 ? sign * std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::quiet_NaN();
  }
  if (exponent == 0) return sign * mantissa * std::exp2(1 - bias);
  return sign * (1 + mantissa) * std::exp2(exponent - bias);
}

float ToF32(uint16_t bf16) { return std::bit_cast<float>(static_cast<uint32_t>(bf16) << 16); }

// The BF16 number next to `value`, the even one of two as near; found by trying.
float NearestBf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const float down = std::bit_cast<float>(bits & 0xFFFF0000U);
  if (value == down || !std::isfinite(value)) return value;
  const float up = std::bit_cast<float>((bits & 0xFFFF0000U) + 0x10000U);
  const double to_down = std::abs(static_cast<double>(value) - down);
  // Past the largest number the next would be 2^128.
  const double to_up = std::isinf(up) ? std::exp2(128) - std::abs(static_cast<double>(value))
                                      : std::abs(static_cast<double>(up) - value);
  if (to_down != to_up) return to_down < to_up ? down : up;
  return (bits & 0x10000U) == 0 ? down : up;
}

std::vector<uint8_t> AllWeights() {
  std::vector<uint8_t> all(256);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint8_t>(i);
  return all;
}

TEST(DequantizeTest, EveryWeightTimesAScaleRoundedOnce) {
  const std::vector<uint8_t> weights = AllWeights();
  const float scales[] = {1.0F,  0.0003F, 3.3333333F, -0.7F,  1e-38F,
                          1e-4F, 1e38F,   448.0F,     1e-45F, 0.0F};
  for (const Codec codec : {Codec::kE4M3, Codec::kE5M2}) {
    for (const float scale : scales) {
      std::vector<uint16_t> bf16(256);
      std::vector<float> f32(256);
      const ScaledBlock block{codec, scale, weights.data(), 1, 256, 256};
      DequantizeToBf16(block, bf16.data());
      DequantizeToF32(block, f32.data());
      for (size_t i = 0; i < 256; ++i) {
        const auto exact = static_cast<float>(Value(codec, weights[i]) * scale);
        if (std::isnan(exact)) {
          EXPECT_TRUE(std::isnan(f32[i]) && std::isnan(ToF32(bf16[i]))) << i;
          continue;
        }
        ASSERT_EQ(std::bit_cast<uint32_t>(f32[i]), std::bit_cast<uint32_t>(exact)) << i;
        ASSERT_EQ(std::bit_cast<uint32_t>(ToF32(bf16[i])),
                  std::bit_cast<uint32_t>(NearestBf16(exact)))
            << i << " times " << scale;
      }
    }
  }
}

TEST(DequantizeTest, OnlyTheBlockIsRead) {
  std::vector<uint8_t> weights(6 * 7);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<uint8_t>(37 * i);
  std::vector<uint16_t> out(weights.size(), 0x1234);
  std::vector<float> f32(weights.size(), 5);
  const ScaledBlock block{Codec::kE4M3, 1, weights.data() + 7 + 2, 3, 4, 7};
  DequantizeToBf16(block, out.data() + 7 + 2);
  DequantizeToF32(block, f32.data() + 7 + 2);
  for (size_t row = 0; row < 6; ++row) {
    for (size_t column = 0; column < 7; ++column) {
      const size_t i = row * 7 + column;
      const bool inside = row >= 1 && row < 4 && column >= 2 && column < 6;
      if (!inside) {
        EXPECT_EQ(out[i], 0x1234);
        EXPECT_EQ(f32[i], 5);
      } else {
        EXPECT_EQ(ToF32(out[i]), Value(Codec::kE4M3, weights[i]));
        EXPECT_EQ(f32[i], Value(Codec::kE4M3, weights[i]));
      }
    }
  }
}

TEST(DequantizeTest, LookupsAgreeAndStayInTheirBounds) {
  std::vector<Bf16RowLookup> lookups = {LookUpBf16RowPortable};
#if defined(__x86_64__)
  if (SupportsAvx512()) lookups.push_back(LookUpBf16RowAvx512);
#endif
  TestRandom random(3);
  Bf16Table table;
  for (uint16_t& entry : table) entry = static_cast<uint16_t>(random.Next());
  for (const Bf16RowLookup look_up : lookups) {
    for (size_t count = 0; count < 200; ++count) {
      for (const auto place : {GuardedBuffer::Place::kAtStart, GuardedBuffer::Place::kAtEnd}) {
        const GuardedBuffer weights(count, place);
        const GuardedBuffer out(2 * count, place);
        for (uint8_t& weight : weights.span()) weight = static_cast<uint8_t>(random.Next());
        auto* const values = reinterpret_cast<uint16_t*>(out.span().data());
        look_up(table, weights.span().data(), count, values);
        for (size_t i = 0; i < count; ++i) {
          const uint8_t weight = weights.span()[i];
          ASSERT_EQ(values[i], table[weight % 128] ^ (weight >= 128 ? 0x8000 : 0)) << count;
        }
      }
    }
  }
}

}  // namespace
}  // namespace ecf8
