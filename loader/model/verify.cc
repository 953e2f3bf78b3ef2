#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/source_model.h"
#include "loader/model/compress.h"
#include "loader/model/compressed_model.h"
#include "loader/model/job.h"
#include "loader/model/original_layout.h"
#include "loader/model/problem_list.h"
#include "loader/model/progress_meter.h"
#include "loader/model/shard.h"
#include "loader/model/source_tensors.h"
#include "loader/model/verify_files.h"
#include "loader/model/verify_shard.h"

namespace ecf8 {
namespace {

// The shards that can be opened, whole model or not: damage to one must not hide that of another.
struct Found {
  std::shared_ptr<const CompressedModel> model;  // null: it could not be opened as one
  std::vector<Shard> loose;                      // then these are the shards
  std::vector<const Shard*> shards;
  const Directory* record = nullptr;  // null: shard 0 was not found
};

void CheckRecord(const Directory& record, const std::vector<Shard>& shards, ProblemList* problems) {
  for (uint32_t i = 0; i < record.shards.size(); ++i) {
    bool found = false;
    for (const Shard& shard : shards) {
      if (shard.file_name != record.shards[i].file_name) continue;
      found = true;
      problems->AddStatus(CheckBelongs(shard, i, record));
    }
    if (!found) {
      problems->Add(absl::StrCat("the shard ", Quoted(record.shards[i].file_name),
                                 " is missing or cannot be read"));
    }
  }
}

absl::StatusOr<std::unique_ptr<Found>> FindShards(const std::string& directory,
                                                  ProblemList* problems) {
  auto found = std::make_unique<Found>();
  absl::StatusOr<std::shared_ptr<const CompressedModel>> model = CompressedModel::Open(directory);
  if (model.ok()) {
    found->model = *std::move(model);
    for (const Shard& shard : found->model->shards()) found->shards.push_back(&shard);
    found->record = &found->model->directory_record();
    problems->AddStatus(ReadOriginalLayout(*found->model).status());
    return found;
  }
  ECF8_ASSIGN_OR_RETURN(const ModelDirectory opened, ModelDirectory::Open(directory));
  ECF8_ASSIGN_OR_RETURN(const std::vector<std::string> files, opened.ListShardFiles());
  for (const std::string& file_name : files) {
    absl::StatusOr<Shard> shard = OpenShard(opened, file_name);
    if (shard.ok()) {
      found->loose.push_back(*std::move(shard));
    } else if (shard.status().code() != absl::StatusCode::kNotFound) {
      problems->AddStatus(shard.status());
    }
  }
  for (const Shard& shard : found->loose) {
    found->shards.push_back(&shard);
    if (shard.manifest.directory) found->record = &*shard.manifest.directory;
  }
  if (found->record != nullptr) CheckRecord(*found->record, found->loose, problems);
  // Nothing here has anything to do with ecf8.
  if (found->shards.empty() && problems->count() == 0) return model.status();
  if (problems->count() == 0) problems->AddStatus(model.status());
  return found;
}

uint64_t DecodedBytes(const Found& found) {
  uint64_t bytes = 0;
  for (const Shard* shard : found.shards) {
    for (const Unit& unit : shard->manifest.units) {
      for (const Piece& piece : unit.pieces) bytes += piece.decoded_size_bytes;
    }
  }
  return bytes;
}

void Count(const Found& found, VerifyReport* report) {
  for (const Shard* shard : found.shards) {
    report->unit_count += static_cast<uint32_t>(shard->manifest.units.size());
    for (const Unit& unit : shard->manifest.units) {
      for (const Piece& piece : unit.pieces) report->tensor_count += piece.tensor_offset_bytes == 0;
    }
  }
}

}  // namespace

absl::StatusOr<VerifyReport> VerifyModel(const std::string& directory, const std::string& against,
                                         const JobOptions& options) {
  std::optional<SourceModel> source;
  SourceTensors tensors;
  if (!against.empty()) {
    ECF8_ASSIGN_OR_RETURN(source, OpenSourceModel(against));
    tensors = IndexTensors(*source);
  }
  ProblemList problems;
  ECF8_ASSIGN_OR_RETURN(const std::unique_ptr<Found> found, FindShards(directory, &problems));
  ProgressMeter meter(options.progress, DecodedBytes(*found));
  VerifyContext context;
  context.threads = ThreadCount(options.threads);
  context.cancel = options.cancel;
  context.against = source ? &tensors : nullptr;
  context.problems = &problems;
  context.meter = &meter;
  for (const Shard* shard : found->shards) {
    ECF8_RETURN_IF_ERROR(VerifyShard(*shard, context));
  }
  VerifyReport report;
  if (found->record != nullptr) {
    ECF8_RETURN_IF_ERROR(VerifyOtherFiles(directory, *found->record, options.cancel, &problems));
    if (source) {
      ECF8_RETURN_IF_ERROR(
          VerifyFilesAgainst(directory, *found->record, *source, options.cancel, &problems));
    }
    report.notes = FindExtraFiles(directory, *found->record);
  }
  if (source) problems.AddStatus(CheckSourceUnchanged(*source));
  meter.Finish();
  Count(*found, &report);
  report.checked_bytes = meter.done_bytes();
  report.problem_count = problems.count();
  report.problems = std::move(problems).Take();
  return report;
}

}  // namespace ecf8
