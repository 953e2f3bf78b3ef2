#include "loader/model/compress.h"

#include <chrono>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "decoder/status_macros.h"
#include "loader/base/staged_directory.h"
#include "loader/checkpoint/source_model.h"
#include "loader/model/compress_files.h"
#include "loader/model/compress_plan.h"
#include "loader/model/job.h"
#include "loader/model/weights_writer.h"

namespace ecf8 {
namespace {

absl::StatusOr<CompressedSizes> WriteModel(const SourceModel& source, const std::string& to,
                                           const JobOptions& options) {
  ECF8_ASSIGN_OR_RETURN(const CompressPlan plan, PlanCompression(source, options.shard_size_bytes));
  ECF8_ASSIGN_OR_RETURN(WrittenWeights weights,
                        WriteWeights(plan, to, ThreadCount(options.threads), options));
  CompressedSizes sizes = {plan.tensor_bytes, 0};
  Directory record;
  ECF8_RETURN_IF_ERROR(WriteCompressFiles(plan, to, options.cancel, &record, &sizes));
  record.shards = weights.shards;
  Manifest manifest = NewManifest(0, static_cast<uint32_t>(plan.shards.size()));
  manifest.directory = std::move(record);
  ECF8_ASSIGN_OR_RETURN(weights.shards[0],
                        weights.first.Finish(std::move(manifest), plan.metadata));
  for (const ShardInfo& shard : weights.shards) sizes.stored += shard.size_bytes;
  return sizes;
}

}  // namespace

absl::StatusOr<CompressSummary> CompressModel(const std::string& source,
                                              const std::string& destination,
                                              const JobOptions& options) {
  ECF8_ASSIGN_OR_RETURN(const SourceModel model, OpenSourceModel(source));
  ECF8_RETURN_IF_ERROR(CheckDisjoint(source, destination));
  return CompressModel(model, destination, options);
}

absl::StatusOr<CompressSummary> CompressModel(const SourceModel& source,
                                              const std::string& destination,
                                              const JobOptions& options) {
  const auto started = std::chrono::steady_clock::now();
  ECF8_ASSIGN_OR_RETURN(StagedDirectory staged,
                        StagedDirectory::Create(destination, options.replace));
  ECF8_ASSIGN_OR_RETURN(const CompressedSizes sizes, WriteModel(source, staged.path(), options));
  ECF8_RETURN_IF_ERROR(CheckSourceUnchanged(source));
  ECF8_RETURN_IF_ERROR(staged.Commit());
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
  return CompressSummary{sizes.raw, sizes.stored, elapsed.count()};
}

}  // namespace ecf8
