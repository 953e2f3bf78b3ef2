#include "decoder/encoder_avx512.h"

#include <immintrin.h>

#include <bit>
#include <cstddef>
#include <cstdint>

#include "decoder/encoder_portable.h"
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

// Bits of all symbols in two tables, in bytes that no sum of four lengths overflows.
struct PairSums {
  __m512i even;
  __m512i odd;
};

ECF8_AVX512_INLINE PairSums SumLengths(const EncoderTables::LengthPairs& pairs,
                                       const __m512i* symbols) {
  const ByteTable table = LoadTable(pairs.of.data());
  const __m512i half = _mm512_set1_epi8(15);
  PairSums sums = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  for (size_t m = 0; m < 4; ++m) {
    const __m512i lengths = LookUp(table, symbols[m]);
    sums.even = _mm512_add_epi8(sums.even, _mm512_and_si512(lengths, half));
    sums.odd = _mm512_add_epi8(sums.odd, _mm512_and_si512(_mm512_srli_epi16(lengths, 4), half));
  }
  return sums;
}

// The sums of tables 4q to 4q + 3, each in eight parts: words t, t + 4, ... are table 4q + t's.
ECF8_AVX512_INLINE __m512i SumFourTables(const EncoderTables& tables, size_t q,
                                         const __m512i* symbols) {
  const PairSums a = SumLengths(tables.length_pairs[2 * q], symbols);
  const PairSums b = SumLengths(tables.length_pairs[2 * q + 1], symbols);
  const __m512i zero = _mm512_setzero_si512();
  const __m512i first = _mm512_or_si512(_mm512_sad_epu8(a.even, zero),
                                        _mm512_slli_epi64(_mm512_sad_epu8(a.odd, zero), 16));
  const __m512i second = _mm512_or_si512(_mm512_sad_epu8(b.even, zero),
                                         _mm512_slli_epi64(_mm512_sad_epu8(b.odd, zero), 16));
  return _mm512_or_si512(first, _mm512_slli_epi64(second, 32));
}

// The table with the lowest sum, the first of equals. A symbol that a table lacks counts more there
// than any length: so if the table has all symbols, it is the best of those that do.
ECF8_AVX512_INLINE size_t CheapestTable(const EncoderTables& tables, const __m512i* symbols) {
  const __m512i low = SumFourTables(tables, 0, symbols);
  const __m512i high = SumFourTables(tables, 1, symbols);
  const __m512i words =
      _mm512_add_epi16(_mm512_unpacklo_epi64(low, high), _mm512_unpackhi_epi64(low, high));
  const __m256i half =
      _mm256_add_epi16(_mm512_castsi512_si256(words), _mm512_extracti64x4_epi64(words, 1));
  const __m128i sums =
      _mm_add_epi16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  static_assert(kMaxTables == 8 && kGroupSymbols * EncoderTables::kAbsentLength <= UINT16_MAX);
  return static_cast<size_t>(_mm_extract_epi16(_mm_minpos_epu16(sums), 1));
}

}  // namespace

ECF8_AVX512 size_t CodeGroupE4M3Avx512(const EncoderTables& tables, const uint8_t* weights,
                                       LaneWords* codes) {
  __m512i symbols[4];
  for (size_t i = 0; i < 4; ++i) symbols[i] = SymbolsOf(weights + 128 * i);
  TransposeBlocks(symbols);
  const size_t best = CheapestTable(tables, symbols);
  // Blocks hold symbols 2m and 2m + 1 of eight lanes; unpacking parts them.
  const ByteTable table_low = LoadTable(tables.code_bytes[best].low.data());
  const ByteTable table_high = LoadTable(tables.code_bytes[best].high.data());
  const __m512i absent = _mm512_set1_epi8(EncoderTables::kAbsentLength);
  __mmask64 any_absent = 0;
  for (size_t m = 0; m < 4; ++m) {
    const __m512i low = LookUp(table_low, symbols[m]);
    const __m512i high = LookUp(table_high, symbols[m]);
    any_absent |= _mm512_cmpeq_epi8_mask(_mm512_and_si512(low, absent), absent);
    _mm512_storeu_si512(codes[2 * m].data(), _mm512_unpacklo_epi8(low, high));
    _mm512_storeu_si512(codes[2 * m + 1].data(), _mm512_unpackhi_epi8(low, high));
  }
  // Rare, and another table may have them all.
  return any_absent == 0 ? best : CodeGroupE4M3Portable(tables, weights, codes);
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
