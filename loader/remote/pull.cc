#include "loader/remote/pull.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/clock.h"
#include "loader/base/file.h"
#include "loader/base/staged_directory.h"
#include "loader/base/strings.h"
#include "loader/model/compressed_model.h"
#include "loader/model/error_info.h"
#include "loader/remote/pulled_files.h"
#include "loader/remote/shard_head.h"

namespace ecf8 {
namespace {

constexpr int kMaxFetches = 3;  // of a part that comes damaged

// Fetches parts, as many at a time as the source may, until all are there.
class PartFetcher {
 public:
  PartFetcher(ObjectSource& source, PulledFiles& files, std::vector<PullPart> missing,
              const ProgressFunction& progress, PullSummary* summary)
      : source_(source),
        files_(files),
        waiting_(missing.begin(), missing.end()),
        progress_(progress),
        summary_(summary) {
    for (const PullPart& part : waiting_) missing_bytes_ += part.size_bytes();
    total_bytes_ = summary->resumed_bytes + missing_bytes_;
  }
  PartFetcher(const PartFetcher&) = delete;
  PartFetcher& operator=(const PartFetcher&) = delete;
  ~PartFetcher() { source_.DropReads(); }

  absl::Status Run() {
    Tell();
    while (!waiting_.empty() || !flights_.empty()) {
      while (!waiting_.empty() && flights_.size() < source_.max_reads()) Begin();
      const std::optional<ObjectReadEnd> end = source_.Next();
      if (end) ECF8_RETURN_IF_ERROR(Settle(*end));
      Tell();
    }
    return absl::OkStatus();
  }

 private:
  struct Flight {
    PullPart part;
    std::vector<uint8_t> bytes;
  };

  void Begin() {
    Flight flight;
    flight.part = waiting_.front();
    waiting_.pop_front();
    ++flight.part.fetches;
    if (!buffers_.empty()) {
      flight.bytes = std::move(buffers_.back());
      buffers_.pop_back();
    }
    flight.bytes.resize(flight.part.size_bytes());
    const uint64_t id = source_.Start(
        {files_.path_of(flight.part), flight.part.offset_bytes, absl::MakeSpan(flight.bytes)});
    flights_.emplace(id, std::move(flight));
  }

  absl::Status Settle(const ObjectReadEnd& end) {
    auto entry = flights_.extract(end.id);
    Flight flight = std::move(entry.mapped());
    ECF8_RETURN_IF_ERROR(end.status);
    if (end.object_size_bytes != files_.file_size_bytes(flight.part)) {
      return absl::DataLossError(absl::StrCat(
          Quoted(files_.path_of(flight.part)), " has ", end.object_size_bytes, " bytes there, and ",
          files_.file_size_bytes(flight.part), " in the manifest"));
    }
    summary_->fetched_bytes += flight.part.size_bytes();
    std::vector<PullPart> again;
    const absl::Status put = files_.Put(flight.part, flight.bytes, &again);
    if (absl::IsDataLoss(put)) {
      ECF8_RETURN_IF_ERROR(Again(flight.part, put));
    } else {
      ECF8_RETURN_IF_ERROR(put);
      done_bytes_ += flight.part.size_bytes();
    }
    for (PullPart& part : again) {
      part.fetches = flight.part.fetches;
      ECF8_RETURN_IF_ERROR(
          Again(part, absl::DataLossError("the file does not match its checksum")));
      done_bytes_ -= part.size_bytes();
    }
    buffers_.push_back(std::move(flight.bytes));
    return absl::OkStatus();
  }

  absl::Status Again(const PullPart& part, const absl::Status& damage) {
    ++summary_->damaged_parts;
    if (part.fetches >= kMaxFetches) {
      return AddContext(damage, absl::StrCat(Quoted(files_.path_of(part)), ", ", part.size_bytes(),
                                             " bytes from ", part.offset_bytes, " on, fetched ",
                                             part.fetches, " times"));
    }
    waiting_.push_front(part);
    return absl::OkStatus();
  }

  void Tell() const {
    if (!progress_) return;
    const uint64_t done = std::min(done_bytes_ + source_.in_flight_bytes(), missing_bytes_);
    progress_({summary_->resumed_bytes + done, total_bytes_});
  }

  ObjectSource& source_;
  PulledFiles& files_;
  std::deque<PullPart> waiting_;
  std::map<uint64_t, Flight> flights_;         // by the read's number
  std::vector<std::vector<uint8_t>> buffers_;  // that are free
  const ProgressFunction& progress_;
  PullSummary* const summary_;
  uint64_t missing_bytes_ = 0;
  uint64_t total_bytes_ = 0;
  uint64_t done_bytes_ = 0;  // of those that were missing
};

absl::StatusOr<Shard> FindFirstShard(ObjectSource& source, const std::string& directory) {
  ECF8_ASSIGN_OR_RETURN(const std::vector<std::string> names, source.ListShards());
  for (const std::string& name : names) {
    absl::StatusOr<Shard> shard = FetchShardHead(source, directory, name);
    if (!shard.ok() && !absl::IsNotFound(shard.status())) return shard;
    if (shard.ok() && shard->manifest.directory) return shard;
  }
  return absl::NotFoundError(absl::StrCat(
      Quoted(source.shown()), " is no ecf8 model: no shard in it has a directory record"));
}

// Everything of the model but its weights.
absl::StatusOr<std::shared_ptr<const CompressedModel>> FetchHeads(ObjectSource& source,
                                                                  const std::string& directory) {
  ECF8_ASSIGN_OR_RETURN(const Shard first, FindFirstShard(source, directory));
  const Directory& record = *first.manifest.directory;
  ECF8_RETURN_IF_ERROR(KeepOnly(directory, record));
  for (uint32_t i = 1; i < record.shards.size(); ++i) {
    ECF8_ASSIGN_OR_RETURN(const Shard shard,
                          FetchShardHead(source, directory, record.shards[i].file_name));
    ECF8_RETURN_IF_ERROR(CheckBelongs(shard, i, record));
  }
  return CompressedModel::Open(directory);
}

absl::Status CheckRoom(const PulledFiles& files, const std::string& directory) {
  ECF8_ASSIGN_OR_RETURN(const uint64_t missing, files.MissingBytes());
  struct statvfs room {};
  if (::statvfs(directory.c_str(), &room) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot look at ", Quoted(directory, 1024)));
  }
  const uint64_t free_bytes = uint64_t{room.f_bavail} * room.f_frsize;
  if (missing <= free_bytes) return absl::OkStatus();
  ErrorInfo info;
  info.reason = ErrorReason::kBudgetTooSmall;
  info.shortfall_bytes = missing - free_bytes;
  return WithErrorInfo(
      absl::ResourceExhaustedError(absl::StrCat(
          "the disk has too little room by ", FormatBytes(info.shortfall_bytes), ": ",
          FormatBytes(missing), " are to come, ", FormatBytes(free_bytes), " are free")),
      info);
}

}  // namespace

absl::StatusOr<PullSummary> PullModel(ObjectSource& source, const std::string& destination,
                                      const PullOptions& options) {
  const auto started = std::chrono::steady_clock::now();
  ECF8_ASSIGN_OR_RETURN(StagedDirectory staged,
                        StagedDirectory::Resume(destination, options.replace));
  ECF8_ASSIGN_OR_RETURN(const std::shared_ptr<const CompressedModel> model,
                        FetchHeads(source, staged.path()));
  if (!options.digest.empty() && model->digest() != options.digest) {
    return absl::FailedPreconditionError(
        absl::StrCat("the model's digest is ", model->digest(), ", not ", options.digest));
  }
  ECF8_ASSIGN_OR_RETURN(PulledFiles files, PulledFiles::Open(model, staged.path()));
  ECF8_RETURN_IF_ERROR(CheckRoom(files, staged.path()));
  staged.Keep();

  PullSummary summary;
  summary.digest = model->digest();
  summary.unit_count = model->unit_count();
  summary.size_bytes = files.size_bytes();
  ECF8_ASSIGN_OR_RETURN(std::vector<PullPart> missing,
                        files.FindMissing(options.cancel, [&summary](uint64_t size_bytes) {
                          summary.resumed_bytes += size_bytes;
                        }));
  {
    PartFetcher fetcher(source, files, std::move(missing), options.progress, &summary);
    ECF8_RETURN_IF_ERROR(fetcher.Run());
  }
  ECF8_RETURN_IF_ERROR(staged.Commit());
  summary.retries = source.retries();
  summary.seconds = SecondsSince(started);
  return summary;
}

}  // namespace ecf8
