// How the 16 weights of a lane split into 8 symbols and raw (sign and mantissa) bytes, and how they
// merge again, as many weights at a time as a word has bytes. Shared by the encoder, the portable
// decoder (64-bit words) and the CUDA kernel (32-bit words); SIMD decoders do the same in wider
// ones. Where a template splits, `Word` is uint64_t or a vector of them, one a lane.
#ifndef ECF8_DECODER_FP8_H_
#define ECF8_DECODER_FP8_H_

#include <cstddef>
#include <cstdint>

#include "decoder/device_math.h"
#include "decoder/format.h"
#include "decoder/host_device.h"

namespace ecf8 {

// The 16 weights of a lane: weight j in byte j of `low`, weight j + 8 in byte j of `high`.
template <typename Word>
struct LaneWeightsOf {
  Word low;
  Word high;
};
using LaneWeights = LaneWeightsOf<uint64_t>;

// The exponents of a lane's weights: exponent j in byte j of `low`, j + 8 in byte j of `high`.
template <typename Word>
struct LaneExponentsOf {
  Word low;
  Word high;
};
using LaneExponents = LaneExponentsOf<uint64_t>;

// A word with `byte` in every byte.
template <typename Word>
ECF8_HOST_DEVICE constexpr Word RepeatByte(uint8_t byte) {
  return static_cast<Word>(0x0101010101010101ULL) * byte;
}

// `Symbol` is the smallest integer that holds one. `Word` below is uint64_t or uint32_t, for 8 or 4
// weights: those of bytes j to j + 7 or j + 3 of a lane's low or high 8.
template <Codec kCodec>
struct Fp8Traits;

// Sign in bit 7, exponent in bits 6..3, mantissa in bits 2..0.
template <>
struct Fp8Traits<Codec::kE4M3> {
  using Symbol = uint8_t;
  static constexpr int kExponentBits = 4;
  static constexpr int kSymbolShift = 8;  // of the symbol in a look-up entry
  static constexpr size_t kSymbolCount = 256;
  static constexpr size_t kLaneRawBytes = 8;
  static constexpr size_t kGroupRawBytes = kLaneRawBytes * kLaneCount;

  template <typename Word = uint64_t>
  ECF8_HOST_DEVICE static constexpr LaneExponentsOf<Word> Exponents(LaneWeightsOf<Word> weights) {
    return {(weights.low >> 3) & 0x0F0F0F0F0F0F0F0FULL,
            (weights.high >> 3) & 0x0F0F0F0F0F0F0F0FULL};
  }
  // Weight j's sign and mantissa stay in place in byte j; j + 8's take its bits 6 and 5..3.
  template <typename Word = uint64_t>
  ECF8_HOST_DEVICE static constexpr Word Raw(LaneWeightsOf<Word> weights) {
    return (weights.low & 0x8787878787878787ULL) | ((weights.high & 0x8080808080808080ULL) >> 1) |
           ((weights.high & 0x0707070707070707ULL) << 3);
  }
  // Weights from symbols, one a byte, and their raw bytes.
  template <typename Word>
  ECF8_HOST_DEVICE static constexpr Word MergeLow(Word symbols, Word raw) {
    return SelectBits(RepeatByte<Word>(0x78), symbols << 3, raw);
  }
  template <typename Word>
  ECF8_HOST_DEVICE static constexpr Word MergeHigh(Word symbols, Word raw) {
    return SelectBits(RepeatByte<Word>(0x80), raw << 1,
                      SelectBits(RepeatByte<Word>(0x78), symbols >> 1, raw >> 3));
  }
};

// Sign in bit 7, exponent in bits 6..2, mantissa in bits 1..0.
template <>
struct Fp8Traits<Codec::kE5M2> {
  using Symbol = uint16_t;
  static constexpr int kExponentBits = 5;
  static constexpr int kSymbolShift = 6;
  static constexpr size_t kSymbolCount = 1024;
  static constexpr size_t kLaneRawBytes = 6;
  static constexpr size_t kGroupRawBytes = kLaneRawBytes * kLaneCount;

  template <typename Word = uint64_t>
  ECF8_HOST_DEVICE static constexpr LaneExponentsOf<Word> Exponents(LaneWeightsOf<Word> weights) {
    return {(weights.low >> 2) & 0x1F1F1F1F1F1F1F1FULL,
            (weights.high >> 2) & 0x1F1F1F1F1F1F1F1FULL};
  }
  // A 48-bit integer: weight j's sign and mantissa in bits 3j + 2 and 3j + 1, 3j.
  template <typename Word = uint64_t>
  ECF8_HOST_DEVICE static constexpr Word Raw(LaneWeightsOf<Word> weights) {
    return Gather(weights.low) | (Gather(weights.high) << 24);
  }
  // Weights from exponents in place (bits 6..2 of each byte; other bits may be anything) and the
  // raw bits of as many weights, at the low end of `raw`; above them may be anything.
  template <typename Word>
  ECF8_HOST_DEVICE static constexpr Word Merge(Word exponents, Word raw) {
    return SelectBits(RepeatByte<Word>(0x7C), exponents, Scatter<Word>(raw));
  }

 private:
  // pext and pdep with mask 0x83 in each byte; written out, as not every machine has them.
  template <typename Word>
  ECF8_HOST_DEVICE static constexpr Word Gather(Word bytes) {
    Word fields = (bytes & 0x0303030303030303ULL) | ((bytes >> 5) & 0x0404040404040404ULL);
    fields = (fields | (fields >> 5)) & 0x003F003F003F003FULL;
    fields = (fields | (fields >> 10)) & 0x00000FFF00000FFFULL;
    return (fields | (fields >> 20)) & 0xFFFFFF;
  }
  // Leaves bits 6..2 of each byte undefined.
  template <typename Word>
  ECF8_HOST_DEVICE static constexpr Word Scatter(Word fields) {
    if constexpr (sizeof(Word) == 8) {
      fields = ((fields & 0xFFFFFF) | (fields << 20)) & 0x00000FFF00000FFFULL;
    } else {
      fields &= 0xFFF;
    }
    fields = (fields | (fields << 10)) & static_cast<Word>(0x003F003F003F003FULL);
    // Two fields in every 16 bits. The first shift puts the second field's mantissa and the first
    // one's sign in place, the second shift the second one's sign.
    return fields | (fields << 5) | (fields << 10);
  }
};

// Bytes of sign and mantissa in a group; 0 for kRaw.
constexpr size_t GroupRawBytes(Codec codec) {
  return codec == Codec::kE4M3   ? Fp8Traits<Codec::kE4M3>::kGroupRawBytes
         : codec == Codec::kE5M2 ? Fp8Traits<Codec::kE5M2>::kGroupRawBytes
                                 : 0;
}

}  // namespace ecf8

#endif  // ECF8_DECODER_FP8_H_
