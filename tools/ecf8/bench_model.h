// The model whose weights `ecf8 bench codec` works on: one on disk, or one made up.
#ifndef ECF8_TOOLS_ECF8_BENCH_MODEL_H_
#define ECF8_TOOLS_ECF8_BENCH_MODEL_H_

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/checkpoint/source_model.h"
#include "loader/model/compress_plan.h"

namespace ecf8 {

// Immutable and thread-safe.
class BenchModel {
 public:
  // A plain model: a directory or a .safetensors file. The errors of OpenSourceModel.
  static absl::StatusOr<std::unique_ptr<BenchModel>> Open(const std::string& path);

  // About `size_bytes` weights of E4M3 (see FillSyntheticE4M3) in matrices of 2048 columns and as
  // many rows or, the last, fewer; four of them are a layer.
  static std::unique_ptr<BenchModel> Synthetic(uint64_t size_bytes);

  BenchModel(const BenchModel&) = delete;
  BenchModel& operator=(const BenchModel&) = delete;

  // What `compress` would write of it.
  const CompressPlan& plan() const { return plan_; }

  // Reads a whole piece into `out`, which has its size.
  absl::Status Read(const PlannedPiece& piece, absl::Span<uint8_t> out) const;

 private:
  BenchModel() = default;

  SourceModel source_;                          // without shards where the model is made up
  std::deque<std::string> names_;               // of a made-up one's tensors
  std::deque<std::array<uint64_t, 2>> shapes_;  // the same
  CompressPlan plan_;                           // borrows all of these
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_BENCH_MODEL_H_
