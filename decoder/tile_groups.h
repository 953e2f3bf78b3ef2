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

// A group's code in both forms.
struct GroupTables {
  const uint16_t* lut;
  const CanonicalCode* code;
};

// Runs `kernel` over the groups of a tile:
//   const uint8_t* Start(const uint8_t* words)
//       sets up the lanes from a tile's first 64 words; returns what follows them.
//   const uint8_t* Decode(const GroupTables& tables, const uint8_t* words, const uint8_t* raw,
//                         uint8_t* out)
//       writes a group's 512 weights; returns the first word not taken.
// Both may read WordReader::kReadable bytes of words.
template <Codec kCodec, typename Kernel>
void DecodeGroups(const TileJob& job, Kernel& kernel) {
  constexpr size_t kRawBytes = Fp8Traits<kCodec>::kGroupRawBytes;
  WordReader words(job.words, job.readable_end);
  words.Prepare();
  words.set_position(kernel.Start(words.position()));
  for (size_t group = 0; group * kGroupWeights < job.weights; ++group) {
    const size_t table = (job.table_nibbles[group / 2] >> (group % 2 * 4)) & 15;
    const GroupTables tables = {job.luts + table * kLutEntries, job.codes + table};
    const uint8_t* raw = job.raw + group * kRawBytes;
    uint8_t* out = job.out + group * kGroupWeights;
    const size_t weights = std::min(job.weights - group * kGroupWeights, kGroupWeights);
    words.Prepare();
    if (weights == kGroupWeights) {
      words.set_position(kernel.Decode(tables, words.position(), raw, out));
    } else {
      std::array<uint8_t, kGroupWeights> last;
      words.set_position(kernel.Decode(tables, words.position(), raw, last.data()));
      std::memcpy(out, last.data(), weights);
    }
  }
}

}  // namespace ecf8

#endif  // ECF8_DECODER_TILE_GROUPS_H_
