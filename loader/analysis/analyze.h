// Analyses a model: for every tensor its statistics and the size that it will have in ECF8.
//
// A model that has FP8 tensors is analysed on those; everything else in it is stored raw. Of a
// model without any, the analysis is of what casting would give: every BF16, F16 and F32 tensor of
// two or more dimensions outside of embeddings and heads, which are what FP8 recipes quantise, is
// cast to E4M3 as it is (no scales, rounded to nearest even, saturated). docs/THEORY.md, section 6.
#ifndef ECF8_LOADER_ANALYSIS_ANALYZE_H_
#define ECF8_LOADER_ANALYSIS_ANALYZE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "decoder/format.h"
#include "loader/analysis/tensor_statistics.h"
#include "loader/analysis/weight_source.h"
#include "loader/model/compress.h"

namespace ecf8 {

struct TensorAnalysis {
  enum class Role : uint8_t {
    kRaw,   // stored as it is, and not analysed
    kFp8,   // an FP8 tensor
    kCast,  // a wider one, analysed as cast to E4M3
  };

  SourceTensor tensor;
  Role role = Role::kRaw;
  Codec codec = Codec::kRaw;    // of the analysed bytes
  std::string kind;             // TensorKind
  int64_t layer = -1;           // of the main stack, or -1
  TensorStatistics statistics;  // of the FP8 bytes; not for kRaw
  // kCast: the entropy of the tensor's own exponent field (8 bits, F16: 5).
  double own_exponent_entropy = 0;
  uint64_t estimated_bytes = 0;  // in ECF8, without tables; kCast: after the cast
  uint64_t stored_bytes = 0;     // really, in a compressed model; without tables
};

struct ModelAnalysis {
  bool is_compressed = false;
  uint32_t unit_count = 0;
  std::vector<TensorAnalysis> tensors;

  uint64_t raw_bytes = 0;         // of all tensors, decoded
  uint64_t unanalyzed_bytes = 0;  // of those of kRaw, which ECF8 does not change
  uint64_t tables_bytes = 0;      // estimated; of what is analysed
  uint64_t estimated_bytes = 0;   // of all tensors in ECF8, tables included; the wider ones cast
  uint64_t stored_bytes = 0;      // really, in a compressed model; tables included

  // The same for the whole directory, with headers, manifests, padding and all other files.
  uint64_t directory_bytes = 0;  // as it is
  uint64_t estimated_directory_bytes = 0;

  bool is_cast() const;  // there are no FP8 tensors, and the analysis is of a cast
};

// Reads every byte of the tensors that it analyses once, and no other; memory is bounded by a few
// MiB a thread and 4 KiB a tensor. The result does not depend on the number of threads.
// Of `options`, `replace` and `shard_size_bytes` mean nothing here. CANCELLED soon after `cancel`
// is set; else the errors of WeightSource::Open and of reading.
absl::StatusOr<ModelAnalysis> AnalyzeModel(const std::string& path, const JobOptions& options);

}  // namespace ecf8

#endif  // ECF8_LOADER_ANALYSIS_ANALYZE_H_
