#include "decoder/decoder_avx512.h"

#include <immintrin.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "decoder/canonical_code.h"
#include "decoder/decoders.h"
#include "decoder/format.h"
#include "decoder/tile_groups.h"

// Attributes instead of compiler flags for the file: so no inline function of a header can be
// compiled for AVX-512 here and then be linked into code for older machines.
#define ECF8_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,popcnt")))
#define ECF8_AVX512_INLINE ECF8_AVX512 __attribute__((always_inline)) inline

namespace ecf8 {
namespace {

// All 32 lanes. Instead of shifting its window, a lane keeps the two words that the window lies in
// and how many bits of the first (0 to 15) it has used.
struct Lanes {
  __m512i first;
  __m512i second;
  __m512i used;
};

ECF8_AVX512_INLINE const uint8_t* StartLanes(const uint8_t* words, Lanes* lanes) {
  *lanes = {_mm512_loadu_si512(words), _mm512_loadu_si512(words + 2 * kLaneCount),
            _mm512_setzero_si512()};
  return words + 4 * kLaneCount;
}

// Of a CanonicalCode, what a step needs.
struct Code {
  __m512i prefix_shifts[2];
  __m512i rank_offsets;
  // Prefixes tell lengths up to 7 apart from longer ones; four limits tell the longer ones.
  __m512i limits[4];
};

ECF8_AVX512_INLINE Code LoadCode(const CanonicalCode& code) {
  static_assert(CanonicalCode::kPrefixBits == 7 && kMaxCodeLength == 12);
  return {{_mm512_load_si512(code.prefix_shifts.data()),
           _mm512_load_si512(code.prefix_shifts.data() + 64)},
          _mm512_load_si512(code.rank_offsets.data()),
          {_mm512_set1_epi16(code.limits[8][0]), _mm512_set1_epi16(code.limits[9][0]),
           _mm512_set1_epi16(code.limits[10][0]), _mm512_set1_epi16(code.limits[11][0])}};
}

// One symbol of every lane: returns their ranks.
ECF8_AVX512_INLINE __m512i Step(const Code& code, Lanes* lanes, const uint8_t** words) {
  const __m512i one = _mm512_set1_epi16(1);
  const __m512i window = _mm512_shldv_epi16(lanes->first, lanes->second, lanes->used);
  const __m512i half = _mm512_srli_epi16(window, 1);
  __m512i shift = _mm512_maskz_permutex2var_epi8(
      0x5555555555555555, code.prefix_shifts[0],
      _mm512_srli_epi16(window, CanonicalCode::kWindowBits - CanonicalCode::kPrefixBits),
      code.prefix_shifts[1]);
  for (const __m512i& limit : code.limits) {
    shift = _mm512_mask_sub_epi16(shift, _mm512_cmpgt_epi16_mask(half, limit), shift, one);
  }
  const __mmask32 need = _mm512_cmple_epu16_mask(shift, lanes->used);
  lanes->used = _mm512_and_si512(_mm512_sub_epi16(lanes->used, shift), _mm512_set1_epi16(15));
  lanes->first = _mm512_mask_mov_epi16(lanes->first, need, lanes->second);
  lanes->second = _mm512_mask_expand_epi16(lanes->second, need, _mm512_loadu_si512(*words));
  *words += 2 * std::popcount(static_cast<uint32_t>(need));
  return _mm512_add_epi16(_mm512_srlv_epi16(window, shift),
                          _mm512_permutexvar_epi16(shift, code.rank_offsets));
}

// The 128 weights of eight lanes: `pairs` holds their symbols, eight bytes a lane.
ECF8_AVX512_INLINE void MergeE4M3(__m512i pairs, const uint8_t* raw, uint8_t* out) {
  const __m512i exponent = _mm512_set1_epi8(0x78);
  const __m512i s = _mm512_loadu_si512(raw);
  const __m512i low = _mm512_or_si512(_mm512_and_si512(_mm512_slli_epi16(pairs, 3), exponent),
                                      _mm512_andnot_si512(exponent, s));
  const __m512i sign =
      _mm512_and_si512(_mm512_slli_epi16(s, 1), _mm512_set1_epi8(static_cast<char>(0x80)));
  const __m512i mantissa = _mm512_and_si512(_mm512_srli_epi16(s, 3), _mm512_set1_epi8(7));
  const __m512i high = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(pairs, 1), exponent),
                                       _mm512_or_si512(sign, mantissa));
  const __m512i order_low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
  const __m512i order_high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
  _mm512_storeu_si512(out, _mm512_permutex2var_epi64(low, order_low, high));
  _mm512_storeu_si512(out + 64, _mm512_permutex2var_epi64(low, order_high, high));
}

// Symbols of 64 ranks.
ECF8_AVX512_INLINE __m512i LookUp(const __m512i* symbols, __m512i ranks) {
  return _mm512_mask_blend_epi8(_mm512_movepi8_mask(ranks),
                                _mm512_permutex2var_epi8(symbols[0], ranks, symbols[1]),
                                _mm512_permutex2var_epi8(symbols[2], ranks, symbols[3]));
}

// Vector i holds bytes 2i and 2i + 1 of every lane; makes vector i hold the eight bytes of lanes
// 8i to 8i + 7.
ECF8_AVX512_INLINE void Transpose(__m512i* vectors) {
  const __m512i a = _mm512_unpacklo_epi16(vectors[0], vectors[1]);
  const __m512i b = _mm512_unpacklo_epi16(vectors[2], vectors[3]);
  const __m512i c = _mm512_unpackhi_epi16(vectors[0], vectors[1]);
  const __m512i d = _mm512_unpackhi_epi16(vectors[2], vectors[3]);
  // Block i of 128 bits holds two of the lanes 8i to 8i + 7.
  const __m512i lanes01 = _mm512_unpacklo_epi32(a, b);
  const __m512i lanes23 = _mm512_unpackhi_epi32(a, b);
  const __m512i lanes45 = _mm512_unpacklo_epi32(c, d);
  const __m512i lanes67 = _mm512_unpackhi_epi32(c, d);
  const __m512i blocks01_low = _mm512_shuffle_i64x2(lanes01, lanes23, 0x44);
  const __m512i blocks01_high = _mm512_shuffle_i64x2(lanes45, lanes67, 0x44);
  const __m512i blocks23_low = _mm512_shuffle_i64x2(lanes01, lanes23, 0xEE);
  const __m512i blocks23_high = _mm512_shuffle_i64x2(lanes45, lanes67, 0xEE);
  vectors[0] = _mm512_shuffle_i64x2(blocks01_low, blocks01_high, 0x88);
  vectors[1] = _mm512_shuffle_i64x2(blocks01_low, blocks01_high, 0xDD);
  vectors[2] = _mm512_shuffle_i64x2(blocks23_low, blocks23_high, 0x88);
  vectors[3] = _mm512_shuffle_i64x2(blocks23_low, blocks23_high, 0xDD);
}

class E4M3Kernel {
 public:
  static constexpr size_t kTiles = 1;

  ECF8_AVX512 const uint8_t* Start(size_t /*tile*/, const uint8_t* words) {
    return StartLanes(words, &lanes_);
  }

  ECF8_AVX512 void Decode(GroupJob* job) {
    Lanes lanes = lanes_;
    const uint8_t* words = job->words;
    const Code code = LoadCode(*job->code);
    __m512i pairs[kLaneSymbols / 2];
    for (__m512i& pair : pairs) {
      const __m512i even = Step(code, &lanes, &words);
      pair = _mm512_or_si512(even, _mm512_slli_epi16(Step(code, &lanes, &words), 8));
    }
    lanes_ = lanes;
    job->words = words;
    __m512i symbols[4];
    for (size_t i = 0; i < 4; ++i) {
      symbols[i] = _mm512_loadu_si512(job->code->symbols.data() + 64 * i);
    }
    for (__m512i& pair : pairs) pair = LookUp(symbols, pair);
    Transpose(pairs);
    for (size_t i = 0; i < 4; ++i) MergeE4M3(pairs[i], job->raw + 64 * i, job->out + 128 * i);
  }

 private:
  Lanes lanes_;
};

// The 64 weights of four lanes: `pairs` holds eight CanonicalCode::exponents a lane.
ECF8_AVX512_INLINE void MergeE5M2(__m512i pairs, const uint8_t* raw, uint8_t* out) {
  const __m512i split =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15));
  // Six bytes of a lane, twice; then three bits to each byte.
  const __m512i spread = _mm512_permutexvar_epi8(
      _mm512_setr_epi64(0x050403020100, 0x050403020100, 0x0B0A09080706, 0x0B0A09080706,
                        0x11100F0E0D0C, 0x11100F0E0D0C, 0x171615141312, 0x171615141312),
      _mm512_maskz_loadu_epi8(0xFFFFFF, raw));
  const __m512i fields =
      _mm512_multishift_epi64_epi8(_mm512_broadcast_i32x4(_mm_setr_epi8(
                                       0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 39, 42, 45)),
                                   spread);
  const __m512i mantissa = _mm512_and_si512(fields, _mm512_set1_epi8(3));
  const __m512i sign =
      _mm512_and_si512(_mm512_slli_epi16(fields, 5), _mm512_set1_epi8(static_cast<char>(0x80)));
  _mm512_storeu_si512(
      out, _mm512_or_si512(_mm512_shuffle_epi8(pairs, split), _mm512_or_si512(mantissa, sign)));
}

class E5M2Kernel {
 public:
  static constexpr size_t kTiles = 1;

  ECF8_AVX512 const uint8_t* Start(size_t /*tile*/, const uint8_t* words) {
    return StartLanes(words, &lanes_);
  }

  ECF8_AVX512 void Decode(GroupJob* job) {
    Lanes lanes = lanes_;
    const uint8_t* words = job->words;
    const Code code = LoadCode(*job->code);
    // Rank j of lane l at j * kLaneCount + l.
    alignas(64) std::array<uint16_t, kGroupSymbols> ranks;
    for (size_t j = 0; j < kLaneSymbols; ++j) {
      _mm512_store_si512(ranks.data() + j * kLaneCount, Step(code, &lanes, &words));
    }
    lanes_ = lanes;
    job->words = words;
    alignas(64) std::array<uint16_t, kGroupSymbols> exponents;
    job->code->LookUpExponents(ranks.data(), exponents.data());
    for (size_t i = 0; i < 8; ++i) {
      MergeE5M2(_mm512_load_si512(exponents.data() + 32 * i), job->raw + 24 * i, job->out + 64 * i);
    }
  }

 private:
  Lanes lanes_;
};

}  // namespace

bool SupportsAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
         __builtin_cpu_supports("popcnt");
}

void DecodeTilesE4M3Avx512(const TileJob* tiles, size_t count) {
  DecodeOneByOne<Codec::kE4M3, E4M3Kernel>(tiles, count);
}

void DecodeTilesE5M2Avx512(const TileJob* tiles, size_t count) {
  DecodeOneByOne<Codec::kE5M2, E5M2Kernel>(tiles, count);
}

}  // namespace ecf8
