// What every decoder does around a group: where its table, raw bytes and output are.
#ifndef ECF8_DECODER_TILE_GROUPS_H_
#define ECF8_DECODER_TILE_GROUPS_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "decoder/canonical_code.h"
#include "decoder/decoders.h"
#include "decoder/format.h"
#include "decoder/fp8.h"
#include "decoder/word_reader.h"

namespace ecf8 {

// One group to decode.
struct GroupJob {
  const uint16_t* lut;        // the group's code, in both forms
  const CanonicalCode* code;  //
  const uint8_t* words;       // the next word; the kernel moves it on
  const uint8_t* raw;
  uint8_t* out;  // kGroupWeights bytes
};

// Runs `kernel` over the groups of Kernel::kTiles tiles, side by side: what one waits for hides
// behind the work of the other. Several tiles must be whole.
//   const uint8_t* Start(size_t tile, const uint8_t* words)
//       sets up the lanes from a tile's first 64 words; returns what follows them.
//   void Decode(GroupJob* jobs)
//       writes one group of every tile.
// Both may read WordReader::kReadable bytes of words.
template <Codec kCodec, typename Kernel>
void DecodeGroups(const TileJob* tiles, Kernel& kernel) {
  constexpr size_t kTiles = Kernel::kTiles;
  std::array<WordReader, kTiles> words;
  for (size_t t = 0; t < kTiles; ++t) {
    words[t].Start(tiles[t].words, tiles[t].readable_end);
    words[t].Prepare();
    words[t].set_position(kernel.Start(t, words[t].position()));
  }
  const size_t weights = tiles[0].weights;
  std::array<uint8_t, kGroupWeights> last;  // of an incomplete group
  for (size_t group = 0; group * kGroupWeights < weights; ++group) {
    const size_t begin = group * kGroupWeights;
    const bool whole = weights - begin >= kGroupWeights;
    std::array<GroupJob, kTiles> jobs;
    for (size_t t = 0; t < kTiles; ++t) {
      const TileJob& tile = tiles[t];
      const size_t table = (tile.table_nibbles[group / 2] >> (group % 2 * 4)) & 15;
      words[t].Prepare();
      jobs[t] = {tile.luts + table * kLutEntries, tile.codes + table, words[t].position(),
                 tile.raw + group * Fp8Traits<kCodec>::kGroupRawBytes,
                 whole ? tile.out + begin : last.data()};
    }
    kernel.Decode(jobs.data());
    for (size_t t = 0; t < kTiles; ++t) words[t].set_position(jobs[t].words);
    if (!whole) std::memcpy(tiles[0].out + begin, last.data(), weights - begin);
  }
}

template <Codec kCodec, typename Kernel>
void DecodeOneByOne(const TileJob* tiles, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    Kernel kernel;
    DecodeGroups<kCodec>(tiles + i, kernel);
  }
}

// Decodes `count` tiles, two at a time where it can.
template <Codec kCodec, template <size_t kTiles> typename Kernel>
void DecodeInPairs(const TileJob* tiles, size_t count) {
  size_t i = 0;
  for (; i + 1 < count && tiles[i + 1].weights == kTileWeights; i += 2) {
    Kernel<2> kernel;
    DecodeGroups<kCodec>(tiles + i, kernel);
  }
  DecodeOneByOne<kCodec, Kernel<1>>(tiles + i, count - i);
}

}  // namespace ecf8

#endif  // ECF8_DECODER_TILE_GROUPS_H_
