// The encoder's inner loop: packs the codes of all lanes into words, in the order in which decoders
// take them.
#ifndef ECF8_DECODER_WORD_PACKER_H_
#define ECF8_DECODER_WORD_PACKER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/types/span.h"
#include "decoder/format.h"
#include "decoder/lane_words.h"

namespace ecf8 {

// A step is one symbol of every lane.
inline constexpr size_t kTileSteps = kTileGroups * kLaneSymbols;

// Packing runs backwards, from the last symbol to the first. A decoder that has used up a lane's
// word r takes the lane's word r + 2; going back, that word is complete just then.
struct PackJob {
  // Of each step, each lane's code: at the top, its length in the low 4 bits.
  const LaneWords* codes;
  size_t steps;    // at most kTileSteps
  LaneWords used;  // bits of all the lane's codes, modulo 16

  // Results. The words that lanes take after step i are those of the lanes in taken[i], in order of
  // the lanes. They stand one after another in `words`, those of the last step first. `words` has
  // room for kMaxPackedWords.
  uint16_t* words;
  uint32_t* taken;
  // Where those of step i begin in `words`, and how many words there are in all.
  uint32_t* starts;
  size_t packed;
  // The two words that each lane starts with.
  LaneWords first;
  LaneWords second;
};

// A word a symbol at most, and one vector that is written as a whole.
inline constexpr size_t kMaxPackedWords = (kTileSteps + 1) * kLaneCount;

struct WordPacker {
  std::string_view name;  // as ECF8_CPU names it
  bool (*supported)();    // on this machine
  void (*pack)(PackJob* job);
};

// All that were compiled in; all give the same words. The last is "portable" and always supported.
absl::Span<const WordPacker> AllWordPackers();

// The one of SelectedDecoder()'s name, or else the portable one. Thread-safe.
const WordPacker& SelectedWordPacker();

}  // namespace ecf8

#endif  // ECF8_DECODER_WORD_PACKER_H_
