#include "decoder/tile_encoder.h"

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/types/span.h"
#include "decoder/encoders.h"
#include "decoder/format.h"
#include "decoder/group.h"
#include "decoder/lane_words.h"

namespace ecf8 {
namespace {

// Asked about the words of a tile from the last to the first, says which hold no bit of a code: of
// each lane the last word, and the one before if the lane's bits fill whole words.
class EmptyWords {
 public:
  explicit EmptyWords(const LaneWords& used) {
    for (size_t l = 0; l < kLaneCount; ++l) full_ |= uint32_t{used[l] == 0 ? 1u : 0u} << l;
  }

  bool IsEmpty(size_t lane) {
    const uint32_t bit = uint32_t{1} << lane;
    const bool is_last = (seen_once_ & bit) == 0;
    const bool is_next_to_last = !is_last && (seen_twice_ & bit) == 0;
    (is_last ? seen_once_ : seen_twice_) |= bit;
    return is_last || (is_next_to_last && (full_ & bit) != 0);
  }

 private:
  uint32_t full_ = 0;
  uint32_t seen_once_ = 0;
  uint32_t seen_twice_ = 0;
};

}  // namespace

TileEncoder::TileEncoder(const EncoderTables& tables, const EncoderImplementation& encoder)
    : tables_(tables),
      encoder_(encoder),
      code_(tables.codec == Codec::kE4M3 ? encoder.code_e4m3 : encoder.code_e5m2),
      codes_(kTileSteps),
      words_(kMaxPackedWords),
      taken_(kTileSteps),
      starts_(kTileSteps) {}

size_t TileEncoder::Add(absl::Span<const uint8_t> weights) {
  assert(steps_ + kLaneSymbols <= kTileSteps);
  const WholeGroup group(weights);
  const size_t table = code_(tables_, group.data(), codes_.data() + steps_);
  steps_ += kLaneSymbols;
  return table;
}

LaneWords TileEncoder::UsedBits() const {
  LaneWords used{};
  for (size_t step = 0; step < steps_; ++step) {
    for (size_t l = 0; l < kLaneCount; ++l) {
      used[l] = static_cast<uint16_t>(used[l] + (codes_[step][l] & 15));
    }
  }
  for (uint16_t& bits : used) bits &= 15;
  return used;
}

size_t TileEncoder::WriteWords(uint8_t* to) {
  job_.codes = codes_.data();
  job_.steps = steps_;
  job_.used = UsedBits();
  job_.words = words_.data();
  job_.taken = taken_.data();
  job_.starts = starts_.data();
  encoder_.pack(&job_);

  // Whole vectors, of which each overwrites what the one before had too much.
  constexpr size_t kVector = sizeof(LaneWords);
  std::memcpy(to, job_.first.data(), kVector);
  std::memcpy(to + kVector, job_.second.data(), kVector);
  to += 2 * kVector;
  size_t end = job_.packed;
  for (size_t step = 0; step < steps_; ++step) {
    const size_t start = starts_[step];
    std::memcpy(to, words_.data() + start, kVector);
    to += (end - start) * sizeof(uint16_t);
    end = start;
  }
  return CountNeededWords(2 * kLaneCount + job_.packed) * sizeof(uint16_t);
}

// Of `all` words of the tile, all but the last ones that are empty.
size_t TileEncoder::CountNeededWords(size_t all) const {
  EmptyWords words(job_.used);
  for (size_t step = steps_; step-- > 0;) {
    for (size_t lane = kLaneCount; lane-- > 0;) {
      if ((taken_[step] >> lane & 1) == 0) continue;
      if (!words.IsEmpty(lane)) return all;
      --all;
    }
  }
  while (all > 0 && words.IsEmpty((all - 1) % kLaneCount)) --all;
  return all;
}

}  // namespace ecf8
