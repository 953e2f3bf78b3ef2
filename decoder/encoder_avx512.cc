#include "decoder/encoder_avx512.h"

#include <immintrin.h>

#include <bit>
#include <cstddef>
#include <cstdint>

#include "decoder/encoders.h"
#include "decoder/format.h"

// Attributes instead of compiler flags for the file: see decoder_avx512.cc.
#define ECF8_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,popcnt")))
#define ECF8_AVX512_INLINE ECF8_AVX512 __attribute__((always_inline)) inline

namespace ecf8 {
namespace {

// The symbols of eight lanes: symbol j of them in the j-th 8 bytes.
ECF8_AVX512_INLINE __m512i SymbolsOf(const uint8_t* weights) {
  const __m512i a = _mm512_loadu_si512(weights);
  const __m512i b = _mm512_loadu_si512(weights + 64);
  const __m512i low = _mm512_permutex2var_epi64(a, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), b);
  const __m512i high =
      _mm512_permutex2var_epi64(a, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), b);
  const __m512i low_nibbles = _mm512_set1_epi8(15);
  const __m512i symbols =
      _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(low, 3), low_nibbles),
                      _mm512_andnot_si512(low_nibbles, _mm512_slli_epi16(high, 1)));
  // Transposes 8 x 8 bytes.
  const __m512i first = _mm512_setr_epi64(
      0x3830282018100800, 0x3931292119110901, 0x3A322A221A120A02, 0x3B332B231B130B03,
      0x3C342C241C140C04, 0x3D352D251D150D05, 0x3E362E261E160E06, 0x3F372F271F170F07);
  return _mm512_permutexvar_epi8(first, symbols);
}

// Makes block i of 128 bits of vector m from block m of vector i.
ECF8_AVX512_INLINE void TransposeBlocks(__m512i* v) {
  const __m512i a = _mm512_shuffle_i64x2(v[0], v[1], 0x44);
  const __m512i b = _mm512_shuffle_i64x2(v[2], v[3], 0x44);
  const __m512i c = _mm512_shuffle_i64x2(v[0], v[1], 0xEE);
  const __m512i d = _mm512_shuffle_i64x2(v[2], v[3], 0xEE);
  v[0] = _mm512_shuffle_i64x2(a, b, 0x88);
  v[1] = _mm512_shuffle_i64x2(a, b, 0xDD);
  v[2] = _mm512_shuffle_i64x2(c, d, 0x88);
  v[3] = _mm512_shuffle_i64x2(c, d, 0xDD);
}

struct ByteTable {
  __m512i parts[4];
};

ECF8_AVX512_INLINE ByteTable LoadTable(const uint8_t* table) {
  return {{_mm512_loadu_si512(table), _mm512_loadu_si512(table + 64),
           _mm512_loadu_si512(table + 128), _mm512_loadu_si512(table + 192)}};
}

ECF8_AVX512_INLINE __m512i LookUp(const ByteTable& table, __m512i symbols) {
  return _mm512_mask_blend_epi8(_mm512_movepi8_mask(symbols),
                                _mm512_permutex2var_epi8(table.parts[0], symbols, table.parts[1]),
                                _mm512_permutex2var_epi8(table.parts[2], symbols, table.parts[3]));
}

// Bits of all symbols, or UINT32_MAX if the table lacks one.
ECF8_AVX512_INLINE uint32_t Bits(const EncoderTables::Bytes& bytes, const __m512i* symbols) {
  const ByteTable table = LoadTable(bytes.lengths.data());
  __m512i sum = LookUp(table, symbols[0]);
  for (size_t m = 1; m < 4; ++m) sum = _mm512_adds_epu8(sum, LookUp(table, symbols[m]));
  static_assert(4 * kMaxCodeLength < EncoderTables::kAbsentLength);
  const __m512i absent = _mm512_set1_epi8(static_cast<char>(0xFF & -EncoderTables::kAbsentLength));
  if (_mm512_test_epi8_mask(sum, absent) != 0) return UINT32_MAX;
  return static_cast<uint32_t>(
      _mm512_reduce_add_epi64(_mm512_sad_epu8(sum, _mm512_setzero_si512())));
}

}  // namespace

ECF8_AVX512 size_t CodeGroupE4M3Avx512(const EncoderTables& tables, const uint8_t* weights,
                                       LaneWords* codes) {
  __m512i symbols[4];
  for (size_t i = 0; i < 4; ++i) symbols[i] = SymbolsOf(weights + 128 * i);
  TransposeBlocks(symbols);
  size_t best = kMaxTables;
  uint32_t best_bits = UINT32_MAX;
  for (size_t i = 0; i < tables.size; ++i) {
    const uint32_t bits = Bits(tables.bytes[i], symbols);
    if (bits >= best_bits) continue;
    best_bits = bits;
    best = i;
  }
  if (best == kMaxTables) return best;
  // Blocks hold symbols 2m and 2m + 1 of eight lanes; unpacking parts them.
  const ByteTable table_low = LoadTable(tables.bytes[best].codes_low.data());
  const ByteTable table_high = LoadTable(tables.bytes[best].codes_high.data());
  for (size_t m = 0; m < 4; ++m) {
    const __m512i low = LookUp(table_low, symbols[m]);
    const __m512i high = LookUp(table_high, symbols[m]);
    _mm512_storeu_si512(codes[2 * m].data(), _mm512_unpacklo_epi8(low, high));
    _mm512_storeu_si512(codes[2 * m + 1].data(), _mm512_unpackhi_epi8(low, high));
  }
  return best;
}

ECF8_AVX512 void PackWordsAvx512(PackJob* job) {
  const __m512i low_bits = _mm512_set1_epi16(15);
  __m512i used = _mm512_loadu_si512(job->used.data());
  __m512i first = _mm512_setzero_si512();
  __m512i second = _mm512_setzero_si512();
  uint16_t* words = job->words;
  for (size_t step = job->steps; step-- > 0;) {
    const __m512i codes = _mm512_loadu_si512(job->codes[step].data());
    const __m512i lengths = _mm512_and_si512(codes, low_bits);
    const __mmask32 began = _mm512_cmplt_epu16_mask(used, lengths);
    used = _mm512_and_si512(_mm512_sub_epi16(used, lengths), low_bits);
    _mm512_storeu_si512(words, _mm512_maskz_compress_epi16(began, second));
    job->starts[step] = static_cast<uint32_t>(words - job->words);
    job->taken[step] = began;
    words += std::popcount(static_cast<uint32_t>(began));
    const __m512i code = _mm512_andnot_si512(low_bits, codes);
    second =
        _mm512_or_si512(_mm512_mask_mov_epi16(second, began, first),
                        _mm512_sllv_epi16(code, _mm512_sub_epi16(_mm512_set1_epi16(16), used)));
    first = _mm512_or_si512(_mm512_mask_mov_epi16(first, began, _mm512_setzero_si512()),
                            _mm512_srlv_epi16(code, used));
  }
  job->packed = static_cast<size_t>(words - job->words);
  _mm512_storeu_si512(job->first.data(), first);
  _mm512_storeu_si512(job->second.data(), second);
}

}  // namespace ecf8
