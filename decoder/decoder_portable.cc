#include "decoder/decoder_portable.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "decoder/decoders.h"
#include "decoder/endian.h"
#include "decoder/format.h"
#include "decoder/fp8.h"
#include "decoder/lockstep.h"
#include "decoder/word_reader.h"

namespace ecf8 {
namespace {

using Windows = std::array<LaneWindow, kLaneCount>;
// The group's symbols: symbol j of lane l at l * kLaneSymbols + j.
template <typename Symbol>
using Symbols = std::array<Symbol, kGroupSymbols>;

void StartWindows(WordReader* words, Windows* windows) {
  words->Prepare();
  const uint8_t* p = words->position();
  for (size_t lane = 0; lane < kLaneCount; ++lane) {
    (*windows)[lane] = StartWindow(LoadLe16(p + 2 * lane), LoadLe16(p + 2 * (kLaneCount + lane)));
  }
  words->set_position(p + 4 * kLaneCount);
}

template <typename Symbol, int kSymbolShift>
const uint8_t* DecodeSymbols(const uint16_t* lut, const uint8_t* p, Windows* windows,
                             Symbols<Symbol>* symbols) {
  Windows local = *windows;
  for (size_t j = 0; j < kLaneSymbols; ++j) {
    for (size_t lane = 0; lane < kLaneCount; ++lane) {
      LaneWindow window = local[lane];
      const uint32_t entry = TakeSymbol(window, lut);
      (*symbols)[lane * kLaneSymbols + j] = static_cast<Symbol>(entry >> kSymbolShift);
      const bool take = NeedsWord(window);
      Refill(window, LoadLe16(p), take);
      p += take ? 2 : 0;
      local[lane] = window;
    }
  }
  *windows = local;
  return p;
}

LaneExponents Exponents(const uint8_t* symbols) {
  const uint64_t pairs = LoadLe64(symbols);
  return {pairs & 0x0F0F0F0F0F0F0F0FULL, (pairs >> 4) & 0x0F0F0F0F0F0F0F0FULL};
}

LaneExponents Exponents(const uint16_t* symbols) {
  LaneExponents exponents = {0, 0};
  for (size_t j = 0; j < kLaneSymbols; ++j) {
    exponents.low |= uint64_t{symbols[j] & 31u} << (8 * j);
    exponents.high |= uint64_t{static_cast<uint32_t>(symbols[j]) >> 5} << (8 * j);
  }
  return exponents;
}

template <Codec kCodec, typename Symbol>
void MergeGroup(const Symbols<Symbol>& symbols, const uint8_t* raw, uint8_t* out) {
  using Traits = Fp8Traits<kCodec>;
  for (size_t lane = 0; lane < kLaneCount; ++lane) {
    std::array<uint8_t, 8> bytes{};
    std::memcpy(bytes.data(), raw + lane * Traits::kLaneRawBytes, Traits::kLaneRawBytes);
    const LaneWeights weights =
        Traits::Merge(Exponents(&symbols[lane * kLaneSymbols]), LoadLe64(bytes.data()));
    StoreLe64(out + lane * kLaneWeights, weights.low);
    StoreLe64(out + lane * kLaneWeights + 8, weights.high);
  }
}

template <Codec kCodec, typename Symbol>
void DecodeTile(const TileJob& job) {
  using Traits = Fp8Traits<kCodec>;
  WordReader words(job.words, job.readable_end);
  Windows windows;
  StartWindows(&words, &windows);
  for (size_t group = 0; group * kGroupWeights < job.weights; ++group) {
    const size_t table = (job.table_nibbles[group / 2] >> (group % 2 * 4)) & 15;
    words.Prepare();
    Symbols<Symbol> symbols;
    words.set_position(DecodeSymbols<Symbol, Traits::kSymbolShift>(
        job.luts + table * kLutEntries, words.position(), &windows, &symbols));
    const uint8_t* raw = job.raw + group * Traits::kGroupRawBytes;
    const size_t weights = std::min(job.weights - group * kGroupWeights, kGroupWeights);
    if (weights == kGroupWeights) {
      MergeGroup<kCodec>(symbols, raw, job.out + group * kGroupWeights);
    } else {
      std::array<uint8_t, kGroupWeights> last;
      MergeGroup<kCodec>(symbols, raw, last.data());
      std::memcpy(job.out + group * kGroupWeights, last.data(), weights);
    }
  }
}

}  // namespace

void DecodeTileE4M3Portable(const TileJob& job) { DecodeTile<Codec::kE4M3, uint8_t>(job); }
void DecodeTileE5M2Portable(const TileJob& job) { DecodeTile<Codec::kE5M2, uint16_t>(job); }

}  // namespace ecf8
