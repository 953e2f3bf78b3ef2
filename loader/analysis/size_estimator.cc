#include "loader/analysis/size_estimator.h"

#include <algorithm>
#include <cmath>

#include "decoder/chunk_encoder.h"
#include "decoder/code_table.h"
#include "decoder/table_search.h"
#include "loader/model/unit_tables.h"

namespace ecf8 {
namespace {

uint64_t CodedSize(ChunkEncoder& encoder, absl::Span<const uint8_t> weights) {
  std::vector<uint8_t> stored;
  uint64_t bytes = 0;
  for (size_t begin = 0; begin < weights.size(); begin += kChunkWeights) {
    encoder.Encode(weights.subspan(begin, kChunkWeights), &stored);
    bytes += stored.size();
  }
  return bytes;
}

// Adds the sample of a piece so often as to make up its size: the search weighs what a table costs
// against the size of the unit, and looks at evenly spaced groups of it. Each time, the sample
// begins one group later, so that it looks at other groups.
void AddRepeatedly(absl::Span<const uint8_t> sample, uint64_t piece_weights, TableSearch* search) {
  if (sample.empty()) return;
  const size_t groups = GroupCount(sample.size());
  const uint64_t times = std::max<uint64_t>(1, piece_weights / sample.size());
  for (uint64_t i = 0; i < times; ++i) {
    const size_t begin = i % groups * kGroupWeights;
    search->Add(sample.subspan(begin));
    search->Add(sample.first(begin));
  }
}

}  // namespace

SizeEstimator::SizeEstimator(Codec codec, uint64_t unit_weights, uint64_t sample_weights)
    : codec_(codec),
      unit_weights_(unit_weights),
      stride_(std::max<uint64_t>(1, (unit_weights + sample_weights - 1) / sample_weights)) {}

void SizeEstimator::BeginPiece(uint64_t weights) { pieces_.push_back({weights, samples_.size()}); }

bool SizeEstimator::Wants(uint64_t tile) const {
  // From the middle of each stride. A piece shorter than that gives its last tile, but not a part
  // of one, which may be too short to shrink.
  const uint64_t whole_tiles = std::max<uint64_t>(1, pieces_.back().weights / kTileWeights);
  return tile % stride_ == std::min(stride_ / 2, whole_tiles - 1);
}

void SizeEstimator::AddTile(absl::Span<const uint8_t> weights) {
  samples_.insert(samples_.end(), weights.begin(), weights.end());
}

absl::Span<const uint8_t> SizeEstimator::Sample(size_t piece) const {
  const size_t begin = pieces_[piece].sample_begin;
  const size_t end = piece + 1 < pieces_.size() ? pieces_[piece + 1].sample_begin : samples_.size();
  return absl::MakeConstSpan(samples_).subspan(begin, end - begin);
}

SizeEstimator::Estimate SizeEstimator::Finish() const {
  Estimate estimate;
  estimate.piece_bytes.reserve(pieces_.size());
  if (unit_weights_ < kMinCodedBytes) {
    for (const Piece& piece : pieces_) estimate.piece_bytes.push_back(piece.weights);
    return estimate;
  }
  TableSearch search(codec_);
  for (size_t i = 0; i < pieces_.size(); ++i) AddRepeatedly(Sample(i), pieces_[i].weights, &search);
  const TableSet tables = search.Build();
  ChunkEncoder encoder(tables);
  estimate.tables_bytes = TableSet::SerializedSize(codec_, tables.size());
  for (size_t i = 0; i < pieces_.size(); ++i) {
    const absl::Span<const uint8_t> sample = Sample(i);
    const auto coded = static_cast<double>(CodedSize(encoder, sample));
    const double factor = sample.empty() ? 0
                                         : static_cast<double>(pieces_[i].weights) /
                                               static_cast<double>(sample.size());
    estimate.piece_bytes.push_back(static_cast<uint64_t>(std::llround(coded * factor)));
  }
  return estimate;
}

}  // namespace ecf8
