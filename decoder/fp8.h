// How the 16 weights of a lane split into 8 symbols and raw (sign and mantissa) bytes, and how they
// merge again, eight weights at a time in 64-bit words. Shared by the encoder, the portable decoder
// and CUDA kernels; SIMD decoders do the same in wider words. Where `Word` is a parameter, it is
// uint64_t or a vector of them, one a lane.
#ifndef ECF8_DECODER_FP8_H_
#define ECF8_DECODER_FP8_H_

#include <cstddef>
#include <cstdint>

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

// `Symbol` is the smallest integer that holds one.
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
  ECF8_HOST_DEVICE static constexpr LaneWeights Merge(LaneExponents exponents, uint64_t raw) {
    return {(exponents.low << 3) | (raw & 0x8787878787878787ULL),
            (exponents.high << 3) | ((raw & 0x4040404040404040ULL) << 1) |
                ((raw >> 3) & 0x0707070707070707ULL)};
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
  ECF8_HOST_DEVICE static constexpr LaneWeights Merge(LaneExponents exponents, uint64_t raw) {
    return {(exponents.low << 2) | Scatter(raw & 0xFFFFFF),
            (exponents.high << 2) | Scatter((raw >> 24) & 0xFFFFFF)};
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
  ECF8_HOST_DEVICE static constexpr uint64_t Scatter(uint64_t fields) {
    fields = (fields | (fields << 20)) & 0x00000FFF00000FFFULL;
    fields = (fields | (fields << 10)) & 0x003F003F003F003FULL;
    fields = (fields | (fields << 5)) & 0x0707070707070707ULL;
    return (fields & 0x0303030303030303ULL) | ((fields & 0x0404040404040404ULL) << 5);
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
