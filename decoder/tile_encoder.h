// Writes the words of one tile.
#ifndef ECF8_DECODER_TILE_ENCODER_H_
#define ECF8_DECODER_TILE_ENCODER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "decoder/encoders.h"
#include "decoder/format.h"
#include "decoder/lane_words.h"

namespace ecf8 {

// Thread-compatible.
class TileEncoder {
 public:
  // `encoder` must be supported. Both must outlive the object.
  TileEncoder(const EncoderTables& tables, const EncoderImplementation& encoder);

  // Starts a tile.
  void Clear() { steps_ = 0; }

  // Appends a group of 1 to kGroupWeights weights, at most kTileGroups of them; only the last may
  // be short. Returns its table, or kMaxTables if none has all its symbols.
  size_t Add(absl::Span<const uint8_t> weights);

  // Writes the words of all groups (one or more) to `to`, without the last ones that no lane needs,
  // and returns their bytes. Of the kMaxTileBytes that there must be room for, those behind are
  // unspecified.
  static constexpr size_t kMaxTileBytes = (2 * kLaneCount + kMaxPackedWords) * sizeof(uint16_t);
  size_t WriteWords(uint8_t* to);

 private:
  LaneWords UsedBits() const;
  size_t CountNeededWords(size_t all) const;

  const EncoderTables& tables_;
  const EncoderImplementation& encoder_;
  const GroupCoder code_;
  size_t steps_ = 0;
  std::vector<LaneWords> codes_;  // of each step
  std::vector<uint16_t> words_;
  std::vector<uint32_t> taken_;
  std::vector<uint32_t> starts_;
  PackJob job_ = {};
};

}  // namespace ecf8

#endif  // ECF8_DECODER_TILE_ENCODER_H_
