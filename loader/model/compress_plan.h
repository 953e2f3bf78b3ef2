// What `compress` is going to write: units and shards, and their names.
#ifndef ECF8_LOADER_MODEL_COMPRESS_PLAN_H_
#define ECF8_LOADER_MODEL_COMPRESS_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/checkpoint/source_model.h"
#include "loader/checkpoint/unit_plan.h"
#include "loader/model/shard_layout.h"

namespace ecf8 {

// Borrows the source that it was made for.
struct CompressPlan {
  const SourceModel* source = nullptr;
  std::vector<TensorRef> refs;       // of every tensor of the source, by shard, then by data order
  std::vector<PlanTensor> tensors;   // the same; PlannedPiece::tensor counts here
  std::vector<PlannedShard> shards;  // at least one
  std::vector<std::string> shard_names;
  std::string index_name;        // empty: none is written
  SafetensorsMetadata metadata;  // of every shard
  uint64_t tensor_bytes = 0;

  // Reads bytes of a piece from the source. Thread-safe.
  absl::Status ReadPiece(const PlannedPiece& piece, uint64_t offset_bytes,
                         absl::Span<uint8_t> out) const;
};

// FAILED_PRECONDITION where a file of the source has the name of a shard to write.
absl::StatusOr<CompressPlan> PlanCompression(const SourceModel& source, uint64_t shard_size_bytes);

// The JSON of the index that lists the shards of `plan`.
std::string BuildIndex(const CompressPlan& plan);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_COMPRESS_PLAN_H_
