// Byte shuffles of 8 lanes' words, by the set of lanes that they are for: what vector units without
// expansion and compression have instead.
#ifndef ECF8_DECODER_LANE_SHUFFLES_H_
#define ECF8_DECODER_LANE_SHUFFLES_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace ecf8 {

using LaneShuffle = std::array<uint8_t, 16>;
using LaneShuffles = std::array<LaneShuffle, 256>;

// Gives each lane of the set its word of a run of words, the others the first.
constexpr LaneShuffles MakeExpansions() {
  LaneShuffles shuffles{};
  for (size_t mask = 0; mask < shuffles.size(); ++mask) {
    uint8_t byte = 0;
    for (size_t lane = 0; lane < 8; ++lane) {
      if ((mask >> lane & 1) == 0) continue;
      shuffles[mask][2 * lane] = byte++;
      shuffles[mask][2 * lane + 1] = byte++;
    }
  }
  return shuffles;
}

// Moves the words of the set's lanes to the front; anything follows.
constexpr LaneShuffles MakeCompressions() {
  LaneShuffles shuffles{};
  for (size_t mask = 0; mask < shuffles.size(); ++mask) {
    size_t byte = 0;
    for (uint8_t lane = 0; lane < 8; ++lane) {
      if ((mask >> lane & 1) == 0) continue;
      shuffles[mask][byte++] = static_cast<uint8_t>(2 * lane);
      shuffles[mask][byte++] = static_cast<uint8_t>(2 * lane + 1);
    }
  }
  return shuffles;
}

}  // namespace ecf8

#endif  // ECF8_DECODER_LANE_SHUFFLES_H_
