#include "decoder/decoder_portable.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "decoder/decoders.h"
#include "decoder/endian.h"
#include "decoder/format.h"
#include "decoder/fp8.h"
#include "decoder/lane_words.h"
#include "decoder/tile_groups.h"

namespace ecf8 {
namespace {

LaneWeights Merge(const uint8_t* symbols, const uint8_t* raw) {
  using Traits = Fp8Traits<Codec::kE4M3>;
  const uint64_t pairs = LoadLe64(symbols);
  const uint64_t raw_bytes = LoadLe64(raw);
  return {Traits::MergeLow(pairs, raw_bytes), Traits::MergeHigh(pairs, raw_bytes)};
}

LaneWeights Merge(const uint16_t* symbols, const uint8_t* raw) {
  using Traits = Fp8Traits<Codec::kE5M2>;
  LaneWeights exponents = {0, 0};
  for (size_t j = 0; j < kLaneSymbols; ++j) {
    exponents.low |= uint64_t{(symbols[j] & 31u) << 2} << (8 * j);
    exponents.high |= uint64_t{static_cast<uint32_t>(symbols[j]) >> 5 << 2} << (8 * j);
  }
  std::array<uint8_t, 8> bytes{};
  std::memcpy(bytes.data(), raw, Traits::kLaneRawBytes);
  const uint64_t fields = LoadLe64(bytes.data());
  return {Traits::Merge(exponents.low, fields), Traits::Merge(exponents.high, fields >> 24)};
}

constexpr size_t kUnrolled = 8;

// The two steps of a lane that only scalar code can do. Not inlined: compilers that know that the
// pointers point to different things build vectors out of single loads, which takes twice as long.

// Replaces indices by look-up entries and stores the symbols, kLaneSymbols apart.
template <int kSymbolShift, typename Symbol>
[[gnu::noinline]] void LookUp(const uint16_t* lut, uint16_t* entries, Symbol* symbols) {
  for (size_t l = 0; l < kLaneCount; l += kUnrolled) {
    for (size_t i = l; i < l + kUnrolled; ++i) {
      const uint16_t entry = lut[entries[i]];
      entries[i] = entry;
      symbols[i * kLaneSymbols] = static_cast<Symbol>(entry >> kSymbolShift);
    }
  }
}

// Gives each lane whose `need` is all ones the next word, the others anything.
[[gnu::noinline]] const uint8_t* NextWords(const uint16_t* need, const uint8_t* words,
                                           uint16_t* next) {
  for (size_t l = 0; l < kLaneCount; l += kUnrolled) {
    for (size_t i = l; i < l + kUnrolled; ++i) {
      next[i] = LoadLe16(words);
      words += need[i] & 2;
    }
  }
  return words;
}

// All lanes, in loops of a few simple operations on 16-bit words that compilers vectorise, with
// what only scalar code can do in loops of its own. Instead of shifting its window, a lane keeps
// the two words that the window lies in and how many bits of the first (0 to 15) it has used, as a
// power of two.
class Lanes {
 public:
  const uint8_t* Start(const uint8_t* words) {
    std::memcpy(first_.data(), words, sizeof(first_));
    std::memcpy(second_.data(), words + sizeof(first_), sizeof(second_));
    power_.fill(1);
    return words + 2 * sizeof(first_);
  }

  // The next 12 bits of every lane.
  void Indices(LaneWords* indices) const {
    for (size_t l = 0; l < kLaneCount; ++l) {
      const uint32_t window = MulLow(first_[l], power_[l]) | MulHigh(second_[l], power_[l]);
      (*indices)[l] = static_cast<uint16_t>(window >> (16 - kMaxCodeLength));
    }
  }

  // Takes the bits that the look-up entries say, and words for lanes that have used up one.
  const uint8_t* Take(const LaneWords& entries, const uint8_t* words) {
    LaneWords need;
    for (size_t l = 0; l < kLaneCount; ++l) {
      const uint16_t length = PowerOfTwo(entries[l] & 15);
      const uint16_t low = MulLow(power_[l], length);
      power_[l] = static_cast<uint16_t>(low | MulHigh(power_[l], length));
      need[l] = low == 0 ? 0xFFFF : 0;
    }
    LaneWords next;
    words = NextWords(need.data(), words, next.data());
    for (size_t l = 0; l < kLaneCount; ++l) {
      first_[l] = static_cast<uint16_t>((second_[l] & need[l]) | (first_[l] & ~need[l]));
      second_[l] = static_cast<uint16_t>((next[l] & need[l]) | (second_[l] & ~need[l]));
    }
    return words;
  }

 private:
  LaneWords first_;
  LaneWords second_;
  LaneWords power_;
};

// `Symbol` is the smallest integer that holds one.
template <Codec kCodec, typename Symbol>
class Kernel {
 public:
  static constexpr size_t kTiles = 1;

  const uint8_t* Start(size_t /*tile*/, const uint8_t* words) { return lanes_.Start(words); }

  void Decode(GroupJob* job) {
    Lanes lanes = lanes_;
    std::array<Symbol, kGroupSymbols> symbols;
    for (size_t j = 0; j < kLaneSymbols; ++j) {
      LaneWords entries;
      lanes.Indices(&entries);
      LookUp<Traits::kSymbolShift>(job->lut, entries.data(), symbols.data() + j);
      job->words = lanes.Take(entries, job->words);
    }
    lanes_ = lanes;
    for (size_t lane = 0; lane < kLaneCount; ++lane) {
      const LaneWeights weights =
          Merge(&symbols[lane * kLaneSymbols], job->raw + lane * Traits::kLaneRawBytes);
      StoreLe64(job->out + lane * kLaneWeights, weights.low);
      StoreLe64(job->out + lane * kLaneWeights + 8, weights.high);
    }
  }

 private:
  using Traits = Fp8Traits<kCodec>;
  Lanes lanes_;
};

}  // namespace

void DecodeTilesE4M3Portable(const TileJob* tiles, size_t count) {
  DecodeOneByOne<Codec::kE4M3, Kernel<Codec::kE4M3, uint8_t>>(tiles, count);
}

void DecodeTilesE5M2Portable(const TileJob* tiles, size_t count) {
  DecodeOneByOne<Codec::kE5M2, Kernel<Codec::kE5M2, uint16_t>>(tiles, count);
}

}  // namespace ecf8
