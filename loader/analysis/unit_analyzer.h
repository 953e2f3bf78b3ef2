// Reads one unit: counts its weights and estimates what they take in ECF8.
#ifndef ECF8_LOADER_ANALYSIS_UNIT_ANALYZER_H_
#define ECF8_LOADER_ANALYSIS_UNIT_ANALYZER_H_

#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/analysis/analyze.h"
#include "loader/analysis/histogram.h"
#include "loader/analysis/weight_source.h"

namespace ecf8 {

// Of one piece of an analysed tensor.
struct PieceAnalysis {
  ByteCounts bytes{};          // of the FP8 bytes, cast ones where the tensor is wider
  ByteCounts own_exponents{};  // kCast: of the wider numbers
  uint64_t estimated_bytes = 0;
};

struct UnitAnalysis {
  uint64_t tables_bytes = 0;
  std::vector<uint32_t> pieces;         // which of the unit's are analysed
  std::vector<PieceAnalysis> analyses;  // of those
};

// Roles and codecs come from `tensors`, by SourcePiece::tensor. Sizes are estimated from about
// `sample_weights` of the unit. CANCELLED once `cancel` (which may be null) is set.
absl::StatusOr<UnitAnalysis> AnalyzeUnit(const WeightSource& source, size_t unit,
                                         const std::vector<TensorAnalysis>& tensors,
                                         uint64_t sample_weights, const std::atomic<bool>* cancel);

}  // namespace ecf8

#endif  // ECF8_LOADER_ANALYSIS_UNIT_ANALYZER_H_
