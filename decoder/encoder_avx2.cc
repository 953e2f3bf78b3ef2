#include "decoder/encoder_avx2.h"

#include <immintrin.h>

#include <bit>
#include <cstddef>
#include <cstdint>

#include "decoder/encoders.h"
#include "decoder/format.h"
#include "decoder/lane_shuffles.h"
#include "decoder/lane_words.h"
#include "decoder/symbol_set.h"

// Attributes instead of compiler flags for the file: see decoder_avx2.cc.
#define ECF8_AVX2 __attribute__((target("avx2,popcnt")))
#define ECF8_AVX2_INLINE ECF8_AVX2 __attribute__((always_inline)) inline

namespace ecf8 {
namespace {

// AVX2 has no compression.
alignas(64) constexpr LaneShuffles kCompressions = MakeCompressions();

// Where half of the lanes are, going back: their current two words, and 2^(15 - used bits of the
// first); see lane_words.h. The halves are lanes 0 to 7 and 16 to 23, and lanes 8 to 15 and 24 to
// 31: so one packing instruction puts a mask of all in order.
struct Lanes {
  __m256i first;
  __m256i second;
  __m256i power;
};

ECF8_AVX2_INLINE __m256i LoadHalf(const LaneWords& words, size_t half) {
  const auto* from = reinterpret_cast<const __m128i*>(words.data());
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(from + half)),
                                 _mm_loadu_si128(from + 2 + half), 1);
}

ECF8_AVX2_INLINE void StoreHalf(__m256i words, size_t half, LaneWords* to) {
  auto* at = reinterpret_cast<__m128i*>(to->data());
  _mm_storeu_si128(at + half, _mm256_castsi256_si128(words));
  _mm_storeu_si128(at + 2 + half, _mm256_extracti128_si256(words, 1));
}

// 2^n for words n below 16: one look-up in each byte. The low byte of a word is zero for n >= 8,
// the high byte for n < 8, as the index then has its top bit set.
ECF8_AVX2_INLINE __m256i PowersOfTwo(__m256i n) {
  const __m256i powers = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201));
  const __m256i both = _mm256_or_si256(n, _mm256_slli_epi16(n, 8));
  return _mm256_shuffle_epi8(
      powers, _mm256_add_epi8(both, _mm256_set1_epi16(static_cast<int16_t>(0xF878))));
}

// Goes back over the lengths of one step; returns which lanes began a word within it.
ECF8_AVX2_INLINE __m256i GoBack(__m256i codes, Lanes* lanes) {
  const __m256i length = PowersOfTwo(_mm256_and_si256(codes, _mm256_set1_epi16(15)));
  const __m256i low = _mm256_mullo_epi16(lanes->power, length);
  lanes->power = _mm256_or_si256(low, _mm256_mulhi_epu16(lanes->power, length));
  return _mm256_cmpeq_epi16(low, _mm256_setzero_si256());
}

ECF8_AVX2_INLINE void PutCodes(__m256i codes, __m256i began, Lanes* lanes) {
  const __m256i code = _mm256_andnot_si256(_mm256_set1_epi16(15), codes);
  const __m256i low = _mm256_mullo_epi16(code, lanes->power);
  const __m256i high = _mm256_mulhi_epu16(code, lanes->power);
  lanes->second = _mm256_or_si256(_mm256_blendv_epi8(lanes->second, lanes->first, began),
                                  _mm256_slli_epi16(low, 1));
  lanes->first =
      _mm256_or_si256(_mm256_andnot_si256(began, lanes->first),
                      _mm256_or_si256(_mm256_slli_epi16(high, 1), _mm256_srli_epi16(low, 15)));
}

// Writes the words of 8 lanes that are in `mask`, which may have more bits, to the front of 16
// bytes.
ECF8_AVX2_INLINE void StorePacked(__m128i words, uint32_t mask, uint16_t* to) {
  const __m128i shuffle =
      _mm_load_si128(reinterpret_cast<const __m128i*>(kCompressions[mask & 0xFF].data()));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_shuffle_epi8(words, shuffle));
}

ECF8_AVX2_INLINE __m256i LoadTwice(const uint8_t* bytes) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
}

}  // namespace

// One look-up finds the row of a symbol's low half, another the bit of its high half (G. Langdale
// and D. Lemire, "Parsing gigabytes of JSON per second", VLDB Journal 28(6), 2019, section 3.1.2).
ECF8_AVX2 bool LacksSymbolAvx2(const SymbolSet& set, const uint8_t* symbols) {
  const __m256i low_rows = LoadTwice(set.lacking_rows.data());  // of symbols below 128
  const __m256i high_rows = LoadTwice(set.lacking_rows.data() + 16);
  const __m256i bits = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201));
  const __m256i low_half = _mm256_set1_epi8(15);
  __m256i lacking = _mm256_setzero_si256();
  for (size_t i = 0; i < kGroupSymbols; i += sizeof(__m256i)) {
    const __m256i symbol = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(symbols + i));
    const __m256i low = _mm256_and_si256(symbol, low_half);
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(symbol, 4), low_half);
    const __m256i row = _mm256_blendv_epi8(_mm256_shuffle_epi8(low_rows, low),
                                           _mm256_shuffle_epi8(high_rows, low), symbol);
    lacking = _mm256_or_si256(lacking, _mm256_and_si256(row, _mm256_shuffle_epi8(bits, high)));
  }
  return _mm256_testz_si256(lacking, lacking) == 0;
}

ECF8_AVX2 void PackWordsAvx2(PackJob* job) {
  Lanes halves[2];
  for (size_t i = 0; i < 2; ++i) {
    halves[i].first = _mm256_setzero_si256();
    halves[i].second = _mm256_setzero_si256();
    halves[i].power = PowersOfTwo(_mm256_sub_epi16(_mm256_set1_epi16(15), LoadHalf(job->used, i)));
  }
  uint16_t* words = job->words;
  for (size_t step = job->steps; step-- > 0;) {
    const __m256i codes[2] = {LoadHalf(job->codes[step], 0), LoadHalf(job->codes[step], 1)};
    const __m256i began[2] = {GoBack(codes[0], &halves[0]), GoBack(codes[1], &halves[1])};
    const auto taken =
        static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_packs_epi16(began[0], began[1])));
    job->starts[step] = static_cast<uint32_t>(words - job->words);
    job->taken[step] = taken;
    const auto count = [taken](uint32_t lanes) { return std::popcount(taken & lanes); };
    StorePacked(_mm256_castsi256_si128(halves[0].second), taken, words);
    StorePacked(_mm256_castsi256_si128(halves[1].second), taken >> 8, words + count(0xFF));
    StorePacked(_mm256_extracti128_si256(halves[0].second, 1), taken >> 16, words + count(0xFFFF));
    StorePacked(_mm256_extracti128_si256(halves[1].second, 1), taken >> 24,
                words + count(0xFFFFFF));
    words += std::popcount(taken);
    for (size_t i = 0; i < 2; ++i) PutCodes(codes[i], began[i], &halves[i]);
  }
  job->packed = static_cast<size_t>(words - job->words);
  for (size_t i = 0; i < 2; ++i) {
    StoreHalf(halves[i].first, i, &job->first);
    StoreHalf(halves[i].second, i, &job->second);
  }
}

}  // namespace ecf8
