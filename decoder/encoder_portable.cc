#include "decoder/encoder_portable.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "decoder/encoders.h"
#include "decoder/format.h"
#include "decoder/fp8.h"
#include "decoder/group.h"
#include "decoder/lane_words.h"

namespace ecf8 {
namespace {

template <Codec kCodec>
size_t CodeGroup(const EncoderTables& tables, const uint8_t* weights, LaneWords* codes) {
  const auto symbols = SplitSymbols<kCodec>(weights);
  const GroupCosts::Sums sums = tables.costs.Sum(symbols.data());
  const size_t table = GroupCosts::Cheapest(sums);
  if (sums[table] == GroupCosts::kImpossible) return kMaxTables;
  const uint16_t* table_codes = tables.codes.data() + table * Fp8Traits<kCodec>::kSymbolCount;
  // Four lanes at a time in one integer: single stores, each to another line of the cache, would
  // take longer, and so would insertions into vectors, of which processors do one at a time.
  for (size_t lane = 0; lane < kLaneCount; lane += 4) {
    for (size_t j = 0; j < kLaneSymbols; ++j) {
      const auto* const of = symbols.data() + lane * kLaneSymbols + j;
      const auto code = [&](size_t k) { return uint64_t{table_codes[of[k * kLaneSymbols]]}; };
      const uint64_t four = (code(0) | code(1) << 16) | (code(2) | code(3) << 16) << 32;
      std::memcpy(&codes[j][lane], &four, sizeof(four));
    }
  }
  return table;
}

// Where lanes are, going back: their current two words, and 2^(15 - used bits of the first).
struct Lanes {
  LaneWords first{};
  LaneWords second{};
  LaneWords power;
};

// Goes back over the lengths of one step; returns which lanes began a word within it, as all ones.
LaneWords GoBack(const LaneWords& codes, Lanes* lanes) {
  LaneWords began;
  for (size_t l = 0; l < kLaneCount; ++l) {
    const uint16_t length = PowerOfTwo(codes[l] & 15);
    const uint16_t low = MulLow(lanes->power[l], length);
    lanes->power[l] = static_cast<uint16_t>(low | MulHigh(lanes->power[l], length));
    began[l] = low == 0 ? 0xFFFF : 0;
  }
  return began;
}

void PutCodes(const LaneWords& codes, const LaneWords& began, Lanes* lanes) {
  for (size_t l = 0; l < kLaneCount; ++l) {
    const auto code = static_cast<uint16_t>(codes[l] & ~15u);
    const uint16_t power = lanes->power[l];
    const uint16_t first = lanes->first[l];
    const uint16_t second =
        static_cast<uint16_t>((first & began[l]) | (lanes->second[l] & ~began[l]));
    const uint16_t low = MulLow(code, power);
    lanes->first[l] =
        static_cast<uint16_t>((first & ~began[l]) | MulHigh(code, power) << 1 | low >> 15);
    lanes->second[l] = static_cast<uint16_t>(second | low << 1);
  }
}

}  // namespace

size_t CodeGroupE4M3Portable(const EncoderTables& tables, const uint8_t* weights,
                             LaneWords* codes) {
  return CodeGroup<Codec::kE4M3>(tables, weights, codes);
}

size_t CodeGroupE5M2Portable(const EncoderTables& tables, const uint8_t* weights,
                             LaneWords* codes) {
  return CodeGroup<Codec::kE5M2>(tables, weights, codes);
}

void PackWordsPortable(PackJob* job) {
  Lanes lanes;
  for (size_t l = 0; l < kLaneCount; ++l) lanes.power[l] = PowerOfTwo(15 - job->used[l]);
  uint16_t* words = job->words;
  for (size_t step = job->steps; step-- > 0;) {
    const LaneWords& codes = job->codes[step];
    const LaneWords began = GoBack(codes, &lanes);
    job->starts[step] = static_cast<uint32_t>(words - job->words);
    uint32_t taken = 0;
    for (size_t l = 0; l < kLaneCount; ++l) {
      *words = lanes.second[l];
      words += began[l] & 1;
      taken |= static_cast<uint32_t>(began[l] & 1) << l;
    }
    job->taken[step] = taken;
    PutCodes(codes, began, &lanes);
  }
  job->packed = static_cast<size_t>(words - job->words);
  job->first = lanes.first;
  job->second = lanes.second;
}

}  // namespace ecf8
