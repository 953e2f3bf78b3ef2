#include "loader/analysis/unit_analyzer.h"

#include <algorithm>
#include <memory>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "decoder/status_macros.h"
#include "loader/analysis/size_estimator.h"

namespace ecf8 {
namespace {

// Immutable, so one of each serves all threads.
const WideFloats& WideFloatsOf(DType dtype) {
  static const WideFloats kBF16(DType::kBF16);
  static const WideFloats kF16(DType::kF16);
  static const WideFloats kF32(DType::kF32);
  return dtype == DType::kF32 ? kF32 : dtype == DType::kF16 ? kF16 : kBF16;
}

// One codec's share of a unit.
class CodecPass {
 public:
  CodecPass(const SourceUnit& unit, const std::vector<TensorAnalysis>& tensors, Codec codec,
            uint64_t sample_weights, const std::atomic<bool>* cancel)
      : unit_(unit),
        tensors_(tensors),
        codec_(codec),
        cancel_(cancel),
        estimator_(codec, CountWeights(), sample_weights) {}

  absl::Status Run(PieceReader& reader, UnitAnalysis& result) {
    const size_t first = result.pieces.size();
    for (uint32_t p = 0; p < unit_.pieces.size(); ++p) {
      if (TensorOf(p).codec != codec_ || unit_.pieces[p].size_bytes == 0) continue;
      result.pieces.push_back(p);
      ECF8_RETURN_IF_ERROR(ReadPiece(reader, p, result.analyses.emplace_back()));
    }
    if (result.pieces.size() == first) return absl::OkStatus();
    const SizeEstimator::Estimate estimate = estimator_.Finish();
    result.tables_bytes += estimate.tables_bytes;
    for (size_t i = 0; i < estimate.piece_bytes.size(); ++i) {
      result.analyses[first + i].estimated_bytes = estimate.piece_bytes[i];
    }
    return absl::OkStatus();
  }

 private:
  const TensorAnalysis& TensorOf(size_t piece) const {
    return tensors_[unit_.pieces[piece].tensor];
  }

  uint64_t WeightsOf(size_t piece) const {
    return unit_.pieces[piece].size_bytes * 8 /
           static_cast<uint64_t>(DTypeBits(TensorOf(piece).tensor.dtype));
  }

  uint64_t CountWeights() const {
    uint64_t weights = 0;
    for (size_t p = 0; p < unit_.pieces.size(); ++p) {
      if (TensorOf(p).codec == codec_) weights += WeightsOf(p);
    }
    return weights;
  }

  absl::Status ReadPiece(PieceReader& reader, size_t piece, PieceAnalysis& analysis) {
    estimator_.BeginPiece(WeightsOf(piece));
    const uint64_t size = unit_.pieces[piece].size_bytes;
    uint64_t tile = 0;
    for (size_t chunk = 0; chunk < ChunkCount(size); ++chunk) {
      if (cancel_ != nullptr && cancel_->load()) return absl::CancelledError("cancelled");
      buffer_.resize(ChunkWeightsAt(size, chunk));
      ECF8_RETURN_IF_ERROR(reader.ReadChunk(piece, chunk, absl::MakeSpan(buffer_)));
      AddChunk(TensorOf(piece), analysis, tile);
    }
    return absl::OkStatus();
  }

  void AddChunk(const TensorAnalysis& tensor, PieceAnalysis& analysis, uint64_t& tile) {
    const bool is_cast = tensor.role == TensorAnalysis::Role::kCast;
    if (is_cast) {
      WideFloatsOf(tensor.tensor.dtype).Count(buffer_, analysis.bytes, analysis.own_exponents);
    } else {
      CountBytes(buffer_, analysis.bytes);
    }
    // A chunk holds whole tiles, whatever the width: widths are powers of two.
    const size_t tile_bytes =
        kTileWeights * static_cast<size_t>(DTypeBits(tensor.tensor.dtype)) / 8;
    for (size_t begin = 0; begin < buffer_.size(); begin += tile_bytes, ++tile) {
      if (!estimator_.Wants(tile)) continue;
      absl::Span<const uint8_t> weights = absl::MakeConstSpan(buffer_).subspan(begin, tile_bytes);
      if (is_cast) {
        WideFloatsOf(tensor.tensor.dtype).Cast(weights, &cast_);
        weights = cast_;
      }
      estimator_.AddTile(weights);
    }
  }

  const SourceUnit& unit_;
  const std::vector<TensorAnalysis>& tensors_;
  const Codec codec_;
  const std::atomic<bool>* const cancel_;
  SizeEstimator estimator_;
  std::vector<uint8_t> buffer_;
  std::vector<uint8_t> cast_;
};

}  // namespace

absl::StatusOr<UnitAnalysis> AnalyzeUnit(const WeightSource& source, size_t unit,
                                         const std::vector<TensorAnalysis>& tensors,
                                         uint64_t sample_weights, const std::atomic<bool>* cancel) {
  UnitAnalysis result;
  const SourceUnit& pieces = source.units()[unit];
  const bool any = std::any_of(
      pieces.pieces.begin(), pieces.pieces.end(),
      [&tensors](const SourcePiece& p) { return tensors[p.tensor].codec != Codec::kRaw; });
  if (!any) return result;
  ECF8_ASSIGN_OR_RETURN(const std::unique_ptr<PieceReader> reader, source.OpenUnit(unit));
  for (const Codec codec : {Codec::kE4M3, Codec::kE5M2}) {
    ECF8_RETURN_IF_ERROR(
        CodecPass(pieces, tensors, codec, sample_weights, cancel).Run(*reader, result));
  }
  return result;
}

}  // namespace ecf8
