// The bulk of `compress`: encodes the units of a plan on worker threads and writes them in order.
#ifndef ECF8_LOADER_MODEL_WEIGHTS_WRITER_H_
#define ECF8_LOADER_MODEL_WEIGHTS_WRITER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/model/compress.h"
#include "loader/model/compress_plan.h"
#include "loader/model/manifest.h"
#include "loader/model/shard_writer.h"
#include "loader/model/unit_tables.h"

namespace ecf8 {

// What is left to do when the weights are written.
struct WrittenWeights {
  ShardWriter first;              // to be finished with the directory record
  std::vector<ShardInfo> shards;  // all; the first has only its name
};

// Writes the shards of `plan` into `directory`. The bytes depend on the plan alone, not on the
// number of threads. Memory: a few MiB a thread.
absl::StatusOr<WrittenWeights> WriteWeights(const CompressPlan& plan, const std::string& directory,
                                            int threads, const JobOptions& options);

// What is known of a piece before it is encoded, in a unit with these tables.
Piece NewPiece(const CompressPlan& plan, const PlannedPiece& planned, const UnitTables& tables);

// What stands in every manifest.
Manifest NewManifest(uint32_t shard_index, uint32_t shard_count);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_WEIGHTS_WRITER_H_
