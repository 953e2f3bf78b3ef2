#include "decoder/word_packer_avx512.h"

#include <immintrin.h>

#include <bit>
#include <cstddef>
#include <cstdint>

#include "decoder/word_packer.h"

// Attributes instead of compiler flags for the file: see decoder_avx512.cc.
#define ECF8_AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi2,popcnt")))

namespace ecf8 {

bool SupportsAvx512WordPacker() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("popcnt");
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
    second = _mm512_or_si512(
        _mm512_mask_mov_epi16(second, began, first),
        _mm512_sllv_epi16(code, _mm512_sub_epi16(_mm512_set1_epi16(16), used)));
    first = _mm512_or_si512(_mm512_mask_mov_epi16(first, began, _mm512_setzero_si512()),
                            _mm512_srlv_epi16(code, used));
  }
  job->packed = static_cast<size_t>(words - job->words);
  _mm512_storeu_si512(job->first.data(), first);
  _mm512_storeu_si512(job->second.data(), second);
}

}  // namespace ecf8
