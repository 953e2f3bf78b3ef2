// What the weights of one codec in one unit will take when they are encoded, from a sample of them.
//
// The sample goes through the real thing: the search for tables, then the encoder. A unit that is
// no larger than the sample gives its exact size; of a larger one, every n-th tile is taken (from
// each piece at least one), so that the result depends on nothing but the weights.
#ifndef ECF8_LOADER_ANALYSIS_SIZE_ESTIMATOR_H_
#define ECF8_LOADER_ANALYSIS_SIZE_ESTIMATOR_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "decoder/format.h"

namespace ecf8 {

// Thread-compatible.
class SizeEstimator {
 public:
  // For a unit that holds `unit_weights` weights of `codec` (not kRaw), of which about
  // `sample_weights` are encoded. The search for tables looks at a few thousand groups of a unit; a
  // sample that has not several times as many makes the tables fit it too well.
  SizeEstimator(Codec codec, uint64_t unit_weights, uint64_t sample_weights);

  // Begins the next piece, of `weights` weights.
  void BeginPiece(uint64_t weights);

  // Whether AddTile wants tile `tile` of the piece. Tiles are added in order.
  bool Wants(uint64_t tile) const;
  void AddTile(absl::Span<const uint8_t> weights);

  struct Estimate {
    uint64_t tables_bytes = 0;
    std::vector<uint64_t> piece_bytes;  // in the order of BeginPiece
  };
  // Once every wanted tile was added.
  Estimate Finish() const;

 private:
  struct Piece {
    uint64_t weights;
    size_t sample_begin;  // in samples_
  };

  absl::Span<const uint8_t> Sample(size_t piece) const;

  Codec codec_;
  uint64_t unit_weights_;
  uint64_t stride_;  // every stride_-th tile of a piece is sampled
  std::vector<Piece> pieces_;
  std::vector<uint8_t> samples_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ANALYSIS_SIZE_ESTIMATOR_H_
