// Where the sections of a coded chunk are. The sections, each on and padded to 16 bytes:
//
//   0              u32 a tile: its first word, in bytes from the chunk's start
//   tables         a nibble a group: its table, the first group in the low nibble
//   words          u16 words of all tiles
//   raw            sign and mantissa of all groups; ends the chunk
#ifndef ECF8_DECODER_CHUNK_LAYOUT_H_
#define ECF8_DECODER_CHUNK_LAYOUT_H_

#include <cstddef>

#include "decoder/format.h"
#include "decoder/fp8.h"

namespace ecf8 {

constexpr size_t AlignToSection(size_t bytes) {
  return (bytes + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment;
}

// Section starts and sizes that follow from the codec and the number of weights alone.
struct ChunkLayout {
  size_t tables_begin;
  size_t words_begin;
  size_t raw_size;

  constexpr ChunkLayout(Codec codec, size_t weights)
      : tables_begin(AlignToSection(TileCount(weights) * 4)),
        words_begin(tables_begin + AlignToSection((GroupCount(weights) + 1) / 2)),
        raw_size(GroupCount(weights) * GroupRawBytes(codec)) {}
};

static_assert(GroupRawBytes(Codec::kE4M3) % kSectionAlignment == 0);
static_assert(GroupRawBytes(Codec::kE5M2) % kSectionAlignment == 0);

}  // namespace ecf8

#endif  // ECF8_DECODER_CHUNK_LAYOUT_H_
