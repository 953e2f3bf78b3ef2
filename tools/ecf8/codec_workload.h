// The FP8 weights of a model in memory, and the passes over them that `ecf8 bench codec` times.
#ifndef ECF8_TOOLS_ECF8_CODEC_WORKLOAD_H_
#define ECF8_TOOLS_ECF8_CODEC_WORKLOAD_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "decoder/format.h"
#include "loader/checkpoint/unit_plan.h"
#include "loader/model/shard_units.h"
#include "loader/model/summary.h"
#include "loader/model/unit_tables.h"
#include "tools/ecf8/bench_model.h"

namespace ecf8 {

// Not thread-safe; each pass spreads over the threads that it is told and joins them.
class CodecWorkload {
 public:
  // The FP8 tensors of the units of `model`, in walk order, before the first unit that would exceed
  // `max_bytes` of them; but always those of one. Borrows the model. FAILED_PRECONDITION where
  // there are none.
  static absl::StatusOr<CodecWorkload> Load(const BenchModel& model, uint64_t max_bytes);

  uint64_t weight_count() const { return weights_.size(); }

  // 4 + H(exponent) of each tensor (3 + H for E5M2), weighted by size: what a code of single
  // exponents with a table a tensor can reach at best, ECF8's own bound (arXiv 2510.02676, section
  // 2).
  double LimitBitsPerWeight() const;

  // Each pass covers all weights once. Encoding includes the search for the tables. Decode passes
  // need an encode pass of their kind before.
  void Encode(int threads);
  void Decode(int threads);
  void EncodeZstd(int level, int threads);
  void DecodeZstd(int threads);
  void Copy(int threads);

  // What `compress` would make of the last encode pass: of a model that was loaded as a whole, just
  // its figures. The errors of ReserveHeaderBytes.
  absl::StatusOr<Fp8Sizes> StoredSizes() const;
  // Of the last encode pass of zstd: frames, one a tensor.
  uint64_t zstd_bytes() const;

  // True where the last decode pass gave back every weight. Clears the decoded bytes, so that a
  // decoder that does nothing cannot pass the next time.
  bool CheckDecoded();

 private:
  // A piece of FP8; usually a whole tensor.
  struct Tensor {
    const PlannedPiece* planned = nullptr;
    size_t begin = 0;  // in weights_
    std::vector<std::vector<uint8_t>> chunks;
    std::vector<uint8_t> zstd;

    size_t size() const { return static_cast<size_t>(planned->size_bytes); }
  };
  struct UnitWork {
    const PlannedUnit* planned = nullptr;
    size_t shard = 0;
    std::vector<Tensor> tensors;  // the first pieces of the unit, which are those of FP8
    UnitTables tables;
  };

  explicit CodecWorkload(const BenchModel& model) : model_(&model) {}

  absl::Status LoadUnit(const PlannedUnit& planned, size_t shard);
  absl::Span<const uint8_t> Weights(const Tensor& tensor) const;
  void EncodeUnit(UnitWork& unit);
  void PlaceUnit(const UnitWork& unit, ShardUnits& shard) const;
  std::vector<Tensor*> AllTensors();

  const BenchModel* model_;
  std::vector<uint8_t> weights_;
  std::vector<uint8_t> decoded_;
  std::vector<UnitWork> units_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_CODEC_WORKLOAD_H_
