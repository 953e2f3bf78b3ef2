#include "decoder/dequantize_avx512.h"

#include <immintrin.h>

// As in decoder_avx512.cc: attributes, so that nothing else is compiled for AVX-512.
#define ECF8_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl")))
#define ECF8_AVX512_INLINE ECF8_AVX512 __attribute__((always_inline)) inline

namespace ecf8 {
namespace {

constexpr size_t kStep = 32;

// 32 weights, one in 16 bits each, by the four quarters of the table.
ECF8_AVX512_INLINE __m512i LookUp(const __m512i* quarters, __m512i weights) {
  const __m512i low = _mm512_permutex2var_epi16(quarters[0], weights, quarters[1]);
  const __m512i high = _mm512_permutex2var_epi16(quarters[2], weights, quarters[3]);
  const __mmask32 is_high = _mm512_test_epi16_mask(weights, _mm512_set1_epi16(0x40));
  const __m512i magnitude = _mm512_mask_blend_epi16(is_high, low, high);
  const __m512i sign = _mm512_and_si512(_mm512_slli_epi16(weights, 8),
                                        _mm512_set1_epi16(static_cast<short>(0x8000)));
  return _mm512_xor_si512(magnitude, sign);
}

}  // namespace

ECF8_AVX512 void LookUpBf16RowAvx512(const Bf16Table& table, const uint8_t* weights, size_t count,
                                     uint16_t* out) {
  const __m512i quarters[4] = {
      _mm512_loadu_si512(table.data()), _mm512_loadu_si512(table.data() + 32),
      _mm512_loadu_si512(table.data() + 64), _mm512_loadu_si512(table.data() + 96)};
  size_t i = 0;
  for (; i + kStep <= count; i += kStep) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + i));
    _mm512_storeu_si512(out + i, LookUp(quarters, _mm512_cvtepu8_epi16(bytes)));
  }
  if (i == count) return;
  const auto rest = static_cast<__mmask32>((uint64_t{1} << (count - i)) - 1);
  const __m256i bytes = _mm256_maskz_loadu_epi8(rest, weights + i);
  _mm512_mask_storeu_epi16(out + i, rest, LookUp(quarters, _mm512_cvtepu8_epi16(bytes)));
}

}  // namespace ecf8
