#include "decoder/decoder_neon.h"

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

#include "decoder/canonical_code.h"
#include "decoder/decoders.h"
#include "decoder/format.h"
#include "decoder/lane_shuffles.h"
#include "decoder/tile_groups.h"

namespace ecf8 {
namespace {

constexpr size_t kVectorLanes = 8;
constexpr size_t kVectors = kLaneCount / kVectorLanes;
constexpr size_t kPairs = kLaneSymbols / 2;

alignas(64) constexpr LaneShuffles kExpansions = MakeExpansions();

// Eight lanes: the two words that each one's window lies in, and how many bits of the first (0 to
// 15) it has used.
struct Lanes {
  uint16x8_t first;
  uint16x8_t second;
  int16x8_t used;
};

uint16x8_t LoadWords(const uint8_t* words) { return vreinterpretq_u16_u8(vld1q_u8(words)); }

// Each lane takes a symbol. Returns its rank in the low byte, anything in the high one; sets `need`
// where the lane has used up its first word.
uint16x8_t TakeRank(const CanonicalCode& code, Lanes* lanes, uint16x8_t* need) {
  const int16x8_t word_bits = vdupq_n_s16(16);
  // Shifts by negative counts go to the right.
  const uint16x8_t window = vorrq_u16(vshlq_u16(lanes->first, lanes->used),
                                      vshlq_u16(lanes->second, vsubq_s16(lanes->used, word_bits)));
  const int16x8_t half = vreinterpretq_s16_u16(vshrq_n_u16(window, 1));
  // Two short sums instead of a long one. A comparison that holds is -1.
  int16x8_t sums[2] = {vdupq_n_s16(code.shortest), vdupq_n_s16(0)};
  for (size_t length = 1; length < kMaxCodeLength; ++length) {
    const uint16x8_t longer = vcgtq_s16(half, vld1q_s16(code.limits[length].data()));
    sums[length % 2] = vsubq_s16(sums[length % 2], vreinterpretq_s16_u16(longer));
  }
  const int16x8_t lengths = vaddq_s16(sums[0], sums[1]);
  const int16x8_t used = vaddq_s16(lanes->used, lengths);
  *need = vcgeq_s16(used, word_bits);
  lanes->used = vandq_s16(used, vdupq_n_s16(15));
  const uint16x8_t value = vshlq_u16(window, vsubq_s16(lengths, word_bits));
  const uint8x16_t offsets =
      vqtbl1q_u8(vld1q_u8(code.rank_offsets_low.data()), vreinterpretq_u8_s16(lengths));
  return vaddq_u16(value, vreinterpretq_u16_u8(offsets));
}

// Gives the lanes of `need` their words, in order.
const uint8_t* TakeWords(uint16x8_t need, const uint8_t* words, Lanes* lanes) {
  const uint16x8_t bits = {1, 2, 4, 8, 16, 32, 64, 128};
  const uint16_t mask = vaddvq_u16(vandq_u16(need, bits));
  const uint16x8_t next =
      vreinterpretq_u16_u8(vqtbl1q_u8(vld1q_u8(words), vld1q_u8(kExpansions[mask].data())));
  lanes->first = vbslq_u16(need, lanes->second, lanes->first);
  lanes->second = vbslq_u16(need, next, lanes->second);
  // Two bytes a word that was taken: as many as two for each -1.
  return words - 2 * static_cast<ptrdiff_t>(vaddvq_s16(vreinterpretq_s16_u16(need)));
}

// 256 symbols in registers.
struct Symbols {
  uint8x16x4_t quarters[4];
};

// Symbols of 16 ranks. Indices beyond a table give 0, or with vqtbx4q what there was.
uint8x16_t LookUp(const Symbols& symbols, uint8x16_t ranks) {
  const uint8x16_t quarter = vdupq_n_u8(64);
  uint8x16_t found = vqtbl4q_u8(symbols.quarters[0], ranks);
  for (size_t i = 1; i < 4; ++i) {
    ranks = vsubq_u8(ranks, quarter);
    found = vqtbx4q_u8(found, symbols.quarters[i], ranks);
  }
  return found;
}

// The 32 weights of two lanes: `pairs` holds their symbols, eight bytes a lane.
void Merge(uint8x16_t pairs, const uint8_t* raw, uint8_t* out) {
  const uint8x16_t exponent = vdupq_n_u8(0x78);
  const uint8x16_t s = vld1q_u8(raw);
  const uint8x16_t low = vbslq_u8(exponent, vshlq_n_u8(pairs, 3), s);
  const uint8x16_t rest = vbslq_u8(vdupq_n_u8(0x80), vshlq_n_u8(s, 1), vshrq_n_u8(s, 3));
  const uint8x16_t high = vbslq_u8(exponent, vshrq_n_u8(pairs, 1), rest);
  const uint64x2_t low_lanes = vreinterpretq_u64_u8(low);
  const uint64x2_t high_lanes = vreinterpretq_u64_u8(high);
  vst1q_u8(out, vreinterpretq_u8_u64(vzip1q_u64(low_lanes, high_lanes)));
  vst1q_u8(out + 16, vreinterpretq_u8_u64(vzip2q_u64(low_lanes, high_lanes)));
}

// Merges the 8 lanes of one vector: `pairs` holds two symbols of each lane in each vector.
void MergeLanes(const uint16x8_t* pairs, const uint8_t* raw, uint8_t* out) {
  const uint32x4_t a = vreinterpretq_u32_u16(vzip1q_u16(pairs[0], pairs[1]));
  const uint32x4_t b = vreinterpretq_u32_u16(vzip1q_u16(pairs[2], pairs[3]));
  const uint32x4_t c = vreinterpretq_u32_u16(vzip2q_u16(pairs[0], pairs[1]));
  const uint32x4_t d = vreinterpretq_u32_u16(vzip2q_u16(pairs[2], pairs[3]));
  Merge(vreinterpretq_u8_u32(vzip1q_u32(a, b)), raw, out);
  Merge(vreinterpretq_u8_u32(vzip2q_u32(a, b)), raw + 16, out + 32);
  Merge(vreinterpretq_u8_u32(vzip1q_u32(c, d)), raw + 32, out + 64);
  Merge(vreinterpretq_u8_u32(vzip2q_u32(c, d)), raw + 48, out + 96);
}

class E4M3Kernel {
 public:
  static constexpr size_t kTiles = 1;

  const uint8_t* Start(size_t /*tile*/, const uint8_t* words) {
    for (size_t v = 0; v < kVectors; ++v) {
      const uint8_t* first = words + 16 * v;
      lanes_[v] = {LoadWords(first), LoadWords(first + 2 * kLaneCount), vdupq_n_s16(0)};
    }
    return words + 4 * kLaneCount;
  }

  void Decode(GroupJob* job) {
    uint16x8_t pairs[kVectors][kPairs];
    for (size_t j = 0; j < kPairs; ++j) {
      uint16x8_t even[kVectors];
      uint16x8_t odd[kVectors];
      Step(job, even);
      Step(job, odd);
      for (size_t v = 0; v < kVectors; ++v) pairs[v][j] = vsliq_n_u16(even[v], odd[v], 8);
    }
    Symbols symbols;
    for (size_t i = 0; i < 4; ++i) {
      symbols.quarters[i] = vld1q_u8_x4(job->code->symbols.data() + 64 * i);
    }
    for (size_t v = 0; v < kVectors; ++v) {
      for (uint16x8_t& pair : pairs[v]) {
        pair = vreinterpretq_u16_u8(LookUp(symbols, vreinterpretq_u8_u16(pair)));
      }
      MergeLanes(pairs[v], job->raw + 64 * v, job->out + 128 * v);
    }
  }

 private:
  // One symbol of every lane.
  void Step(GroupJob* job, uint16x8_t* ranks) {
    uint16x8_t need[kVectors];
    for (size_t v = 0; v < kVectors; ++v) ranks[v] = TakeRank(*job->code, &lanes_[v], &need[v]);
    for (size_t v = 0; v < kVectors; ++v) {
      job->words = TakeWords(need[v], job->words, &lanes_[v]);
    }
  }

  Lanes lanes_[kVectors];
};

}  // namespace

void DecodeTilesE4M3Neon(const TileJob* tiles, size_t count) {
  DecodeOneByOne<Codec::kE4M3, E4M3Kernel>(tiles, count);
}

}  // namespace ecf8
