#include "decoder/decoder_avx2.h"

#include <immintrin.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "decoder/canonical_code.h"
#include "decoder/decoders.h"
#include "decoder/format.h"
#include "decoder/lane_shuffles.h"
#include "decoder/tile_groups.h"

// Attributes instead of compiler flags for the file: so no inline function of a header can be
// compiled for AVX2 here and then be linked into code for older machines.
#define ECF8_AVX2 __attribute__((target("avx2,popcnt")))
#define ECF8_AVX2_INLINE ECF8_AVX2 __attribute__((always_inline)) inline

namespace ecf8 {
namespace {

// Two vectors of 16 lanes: 0 to 7 and 16 to 23, 8 to 15 and 24 to 31; so one packing instruction
// puts a mask of all 32 in order.
constexpr size_t kVectors = 2;

// AVX2 has no expansion.
alignas(64) constexpr LaneShuffles kExpansions = MakeExpansions();

// Instead of shifting its window, a lane keeps the two words that the window lies in and how many
// bits of the first (0 to 15) it has used; as a power of two, since AVX2 shifts words of 16 bits
// by different counts only through multiplication.
struct Lanes {
  __m256i first;
  __m256i second;
  __m256i power;
};

ECF8_AVX2_INLINE __m256i LoadPair(const uint8_t* low, const uint8_t* high) {
  return _mm256_inserti128_si256(
      _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(low))),
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(high)), 1);
}

ECF8_AVX2_INLINE __m256i LoadTwice(const uint8_t* bytes) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
}

ECF8_AVX2_INLINE const uint8_t* StartLanes(const uint8_t* words, Lanes* lanes) {
  for (size_t v = 0; v < kVectors; ++v) {
    const uint8_t* first = words + 16 * v;
    const uint8_t* second = first + 2 * kLaneCount;
    lanes[v] = {LoadPair(first, first + 32), LoadPair(second, second + 32), _mm256_set1_epi16(1)};
  }
  return words + 4 * kLaneCount;
}

// Each lane of one vector takes a symbol. Returns the code's value; sets its length in both bytes
// of `lengths`, and `need` where the lane has used up its first word.
ECF8_AVX2_INLINE __m256i TakeCode(const CanonicalCode& code, Lanes* lanes, __m256i* lengths,
                                  __m256i* need) {
  const __m256i powers = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0));
  const __m256i window = _mm256_or_si256(_mm256_mullo_epi16(lanes->first, lanes->power),
                                         _mm256_mulhi_epu16(lanes->second, lanes->power));
  const __m256i half = _mm256_srli_epi16(window, 1);
  // The first four bits, in both bytes.
  const __m256i first_four =
      _mm256_mulhi_epu16(_mm256_and_si256(window, _mm256_set1_epi16(static_cast<int16_t>(0xF000))),
                         _mm256_set1_epi16(0x1010));
  // Several short sums instead of a long one.
  __m256i sums[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                     _mm256_shuffle_epi8(LoadTwice(code.lengths_by_four.data()), first_four)};
  for (size_t length = 5; length < kMaxCodeLength; ++length) {
    __m256i& sum = sums[length % 4];
    const auto* limit = reinterpret_cast<const __m256i*>(code.limits[length].data());
    sum = _mm256_sub_epi8(sum, _mm256_cmpgt_epi16(half, _mm256_load_si256(limit)));
  }
  *lengths = _mm256_add_epi8(_mm256_add_epi8(sums[0], sums[1]), _mm256_add_epi8(sums[2], sums[3]));
  // 2^length: the high byte looks up length - 8, and nothing if that is negative.
  const __m256i power =
      _mm256_shuffle_epi8(powers, _mm256_add_epi8(*lengths, _mm256_set1_epi16(-8 * 256)));
  const __m256i low = _mm256_mullo_epi16(lanes->power, power);
  *need = _mm256_cmpeq_epi16(low, _mm256_setzero_si256());
  lanes->power = _mm256_or_si256(low, _mm256_mulhi_epu16(lanes->power, power));
  return _mm256_mulhi_epu16(window, power);
}

// Gives the lanes of `need` their words, in order.
ECF8_AVX2_INLINE const uint8_t* TakeWords(const __m256i* need, const uint8_t* words, Lanes* lanes) {
  const auto mask =
      static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_packs_epi16(need[0], need[1])));
  for (size_t v = 0; v < kVectors; ++v) {
    const size_t low = 8 * v;
    const size_t high = 16 + low;
    const __m256i next = _mm256_shuffle_epi8(
        LoadPair(words + 2 * std::popcount(mask & ((1u << low) - 1)),
                 words + 2 * std::popcount(mask & ((1u << high) - 1))),
        LoadPair(kExpansions[mask >> low & 255].data(), kExpansions[mask >> high & 255].data()));
    lanes[v].first = _mm256_blendv_epi8(lanes[v].first, lanes[v].second, need[v]);
    lanes[v].second = _mm256_blendv_epi8(lanes[v].second, next, need[v]);
  }
  return words + 2 * std::popcount(mask);
}

// Of 32 ranks, the symbols at `symbols` plus the lower seven bits: a binary tree over eight small
// tables. Bit 7 of a byte chooses, so the other bits of the row are brought there.
ECF8_AVX2_INLINE __m256i LookUpHalf(const uint8_t* symbols, __m256i ranks) {
  const __m256i column = _mm256_and_si256(ranks, _mm256_set1_epi8(15));
  const __m256i bit4 = _mm256_slli_epi16(ranks, 3);
  const __m256i bit5 = _mm256_slli_epi16(ranks, 2);
  const __m256i bit6 = _mm256_slli_epi16(ranks, 1);
  __m256i quarters[2];
  for (size_t quarter = 0; quarter < 2; ++quarter) {
    const uint8_t* rows = symbols + 64 * quarter;
    const __m256i row0 = _mm256_shuffle_epi8(LoadTwice(rows), column);
    const __m256i row1 = _mm256_shuffle_epi8(LoadTwice(rows + 16), column);
    const __m256i row2 = _mm256_shuffle_epi8(LoadTwice(rows + 32), column);
    const __m256i row3 = _mm256_shuffle_epi8(LoadTwice(rows + 48), column);
    quarters[quarter] = _mm256_blendv_epi8(_mm256_blendv_epi8(row0, row1, bit4),
                                           _mm256_blendv_epi8(row2, row3, bit4), bit5);
  }
  return _mm256_blendv_epi8(quarters[0], quarters[1], bit6);
}

// Symbols of 32 ranks. Those above 127 have the longest codes, and so are rare.
ECF8_AVX2_INLINE __m256i LookUp(const uint8_t* symbols, __m256i ranks) {
  const __m256i low = LookUpHalf(symbols, ranks);
  if (_mm256_movemask_epi8(ranks) == 0) return low;
  return _mm256_blendv_epi8(low, LookUpHalf(symbols + 128, ranks), ranks);
}

// The 64 weights of four lanes: `pairs` holds their symbols, eight bytes a lane.
ECF8_AVX2_INLINE void MergeE4M3(__m256i pairs, const uint8_t* raw, uint8_t* out) {
  const __m256i exponent = _mm256_set1_epi8(0x78);
  const __m256i s = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(raw));
  const __m256i low = _mm256_or_si256(_mm256_and_si256(_mm256_slli_epi16(pairs, 3), exponent),
                                      _mm256_andnot_si256(exponent, s));
  const __m256i sign =
      _mm256_and_si256(_mm256_slli_epi16(s, 1), _mm256_set1_epi8(static_cast<char>(0x80)));
  const __m256i mantissa = _mm256_and_si256(_mm256_srli_epi16(s, 3), _mm256_set1_epi8(7));
  const __m256i high = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(pairs, 1), exponent),
                                       _mm256_or_si256(sign, mantissa));
  const __m256i even = _mm256_unpacklo_epi64(low, high);  // lanes 0 and 2
  const __m256i odd = _mm256_unpackhi_epi64(low, high);
  auto* to = reinterpret_cast<__m256i*>(out);
  _mm256_storeu_si256(to, _mm256_permute2x128_si256(even, odd, 0x20));
  _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(even, odd, 0x31));
}

// Merges the 16 lanes of one vector: `pairs` holds two symbols of each lane in each vector, `raw`
// and `out` are those of its first lane.
ECF8_AVX2_INLINE void MergeE4M3Lanes(const __m256i* pairs, const uint8_t* raw, uint8_t* out) {
  const __m256i a = _mm256_unpacklo_epi16(pairs[0], pairs[1]);
  const __m256i b = _mm256_unpacklo_epi16(pairs[2], pairs[3]);
  const __m256i c = _mm256_unpackhi_epi16(pairs[0], pairs[1]);
  const __m256i d = _mm256_unpackhi_epi16(pairs[2], pairs[3]);
  const __m256i lanes01 = _mm256_unpacklo_epi32(a, b);  // and 16, 17
  const __m256i lanes23 = _mm256_unpackhi_epi32(a, b);
  const __m256i lanes45 = _mm256_unpacklo_epi32(c, d);
  const __m256i lanes67 = _mm256_unpackhi_epi32(c, d);
  MergeE4M3(_mm256_permute2x128_si256(lanes01, lanes23, 0x20), raw, out);
  MergeE4M3(_mm256_permute2x128_si256(lanes45, lanes67, 0x20), raw + 32, out + 64);
  MergeE4M3(_mm256_permute2x128_si256(lanes01, lanes23, 0x31), raw + 128, out + 256);
  MergeE4M3(_mm256_permute2x128_si256(lanes45, lanes67, 0x31), raw + 160, out + 320);
}

// One symbol of every lane: ranks in the low bytes, anything in the high ones.
ECF8_AVX2_INLINE void StepE4M3(GroupJob* job, Lanes* lanes, __m256i* ranks) {
  __m256i need[kVectors];
  for (size_t v = 0; v < kVectors; ++v) {
    __m256i lengths;
    const __m256i value = TakeCode(*job->code, &lanes[v], &lengths, &need[v]);
    ranks[v] = _mm256_add_epi8(
        value, _mm256_shuffle_epi8(LoadTwice(job->code->rank_offsets_low.data()), lengths));
  }
  job->words = TakeWords(need, job->words, lanes);
}

template <size_t kTileCount>
class E4M3Kernel {
 public:
  static constexpr size_t kTiles = kTileCount;

  ECF8_AVX2 const uint8_t* Start(size_t tile, const uint8_t* words) {
    return StartLanes(words, lanes_[tile]);
  }

  ECF8_AVX2 void Decode(GroupJob* jobs) {
    __m256i pairs[kTiles][kVectors][kLaneSymbols / 2];
    for (size_t j = 0; j < kLaneSymbols / 2; ++j) {
      __m256i even[kTiles][kVectors];
      __m256i odd[kTiles][kVectors];
      for (size_t t = 0; t < kTiles; ++t) StepE4M3(&jobs[t], lanes_[t], even[t]);
      for (size_t t = 0; t < kTiles; ++t) StepE4M3(&jobs[t], lanes_[t], odd[t]);
      for (size_t t = 0; t < kTiles; ++t) {
        for (size_t v = 0; v < kVectors; ++v) {
          pairs[t][v][j] = _mm256_or_si256(_mm256_and_si256(even[t][v], _mm256_set1_epi16(255)),
                                           _mm256_slli_epi16(odd[t][v], 8));
        }
      }
    }
    for (size_t t = 0; t < kTiles; ++t) {
      const GroupJob& job = jobs[t];
      for (size_t v = 0; v < kVectors; ++v) {
        for (__m256i& pair : pairs[t][v]) pair = LookUp(job.code->symbols.data(), pair);
        MergeE4M3Lanes(pairs[t][v], job.raw + 64 * v, job.out + 128 * v);
      }
    }
  }

 private:
  Lanes lanes_[kTiles][kVectors];
};

// In every 64 bits, spreads eight fields of three bits over eight bytes: the upper bit of each to
// bit 7, as Fp8Traits<Codec::kE5M2>::Merge does.
ECF8_AVX2_INLINE __m256i ScatterFields(__m256i fields) {
  fields = _mm256_and_si256(_mm256_or_si256(fields, _mm256_slli_epi64(fields, 20)),
                            _mm256_set1_epi64x(0x00000FFF00000FFF));
  fields = _mm256_and_si256(_mm256_or_si256(fields, _mm256_slli_epi64(fields, 10)),
                            _mm256_set1_epi64x(0x003F003F003F003F));
  fields = _mm256_or_si256(fields, _mm256_slli_epi64(fields, 5));
  return _mm256_or_si256(_mm256_and_si256(fields, _mm256_set1_epi8(3)),
                         _mm256_slli_epi16(_mm256_and_si256(fields, _mm256_set1_epi8(4)), 5));
}

// The 32 weights of two lanes: `exponents` holds eight CanonicalCode::exponents a lane; 16 bytes at
// `raw` are readable.
ECF8_AVX2_INLINE void MergeE5M2(const uint16_t* exponents, const uint8_t* raw, uint8_t* out) {
  const __m256i split = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15));
  const __m256i fields = _mm256_shuffle_epi8(
      LoadTwice(raw), _mm256_setr_epi8(0, 1, 2, -1, -1, -1, -1, -1, 3, 4, 5, -1, -1, -1, -1, -1,  //
                                       6, 7, 8, -1, -1, -1, -1, -1, 9, 10, 11, -1, -1, -1, -1, -1));
  const __m256i pairs = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(exponents));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                      _mm256_or_si256(_mm256_shuffle_epi8(pairs, split), ScatterFields(fields)));
}

// One symbol of every lane: stores the ranks in order of the lanes.
ECF8_AVX2_INLINE void StepE5M2(GroupJob* job, Lanes* lanes, uint16_t* ranks) {
  __m256i need[kVectors];
  for (size_t v = 0; v < kVectors; ++v) {
    __m256i lengths;
    const __m256i value = TakeCode(*job->code, &lanes[v], &lengths, &need[v]);
    const __m256i offsets = _mm256_blendv_epi8(
        _mm256_shuffle_epi8(LoadTwice(job->code->rank_offsets_high.data()), lengths),
        _mm256_shuffle_epi8(LoadTwice(job->code->rank_offsets_low.data()), lengths),
        _mm256_set1_epi16(255));
    const __m256i sum = _mm256_add_epi16(value, offsets);
    auto* to = reinterpret_cast<__m128i*>(ranks) + v;
    _mm_storeu_si128(to, _mm256_castsi256_si128(sum));
    _mm_storeu_si128(to + 2, _mm256_extracti128_si256(sum, 1));
  }
  job->words = TakeWords(need, job->words, lanes);
}

template <size_t kTileCount>
class E5M2Kernel {
 public:
  static constexpr size_t kTiles = kTileCount;

  ECF8_AVX2 const uint8_t* Start(size_t tile, const uint8_t* words) {
    return StartLanes(words, lanes_[tile]);
  }

  ECF8_AVX2 void Decode(GroupJob* jobs) {
    // Rank j of lane l at j * kLaneCount + l.
    std::array<std::array<uint16_t, kGroupSymbols>, kTiles> ranks;
    for (size_t j = 0; j < kLaneSymbols; ++j) {
      for (size_t t = 0; t < kTiles; ++t) {
        StepE5M2(&jobs[t], lanes_[t], ranks[t].data() + j * kLaneCount);
      }
    }
    for (size_t t = 0; t < kTiles; ++t) Finish(jobs[t], ranks[t].data());
  }

 private:
  static constexpr size_t kRawBytes = Fp8Traits<Codec::kE5M2>::kGroupRawBytes;
  static constexpr size_t kLaneRawBytes = Fp8Traits<Codec::kE5M2>::kLaneRawBytes;

  ECF8_AVX2_INLINE static void Finish(const GroupJob& job, const uint16_t* ranks) {
    std::array<uint16_t, kGroupSymbols> exponents;
    job.code->LookUpExponents(ranks, exponents.data());
    std::array<uint8_t, kRawBytes + 16> padded;
    std::memcpy(padded.data(), job.raw, kRawBytes);
    for (size_t lane = 0; lane < kLaneCount; lane += 2) {
      MergeE5M2(&exponents[lane * kLaneSymbols], &padded[lane * kLaneRawBytes],
                job.out + lane * kLaneWeights);
    }
  }

  Lanes lanes_[kTiles][kVectors];
};

}  // namespace

bool SupportsAvx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt"); }

void DecodeTilesE4M3Avx2(const TileJob* tiles, size_t count) {
  DecodeInPairs<Codec::kE4M3, E4M3Kernel>(tiles, count);
}

void DecodeTilesE5M2Avx2(const TileJob* tiles, size_t count) {
  DecodeInPairs<Codec::kE5M2, E5M2Kernel>(tiles, count);
}

}  // namespace ecf8
