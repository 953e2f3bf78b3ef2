#include "tools/ecf8/trace_record.h"

#include <array>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <optional>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/cache/trace.h"
#include "loader/model/error_info.h"
#include "tools/ecf8/text.h"

namespace ecf8 {
namespace {

// Writes what comes, and counts it.
class FileSink final : public RecordingSink {
 public:
  explicit FileSink(const std::string& path) : path_(path) {}

  absl::Status Begin(const std::vector<TraceModel>& models,
                     const std::vector<std::string>& names) override {
    absl::StatusOr<TraceWriter> writer = TraceWriter::Create(path_, models);
    if (!writer.ok()) return writer.status();
    writer_.emplace(*std::move(writer));
    names_ = names;
    std::fprintf(stderr, "recording into %s; ^C ends it\n", path_.c_str());
    return absl::OkStatus();
  }

  // Each message is written at once: what kills the recorder leaves what came before.
  absl::Status Add(absl::Span<const TraceRecord> records, uint64_t lost) override {
    lost_ += lost;
    for (const TraceRecord& record : records) {
      ECF8_RETURN_IF_ERROR(writer_->Append(record));
      ++counts_[static_cast<size_t>(record.access)];
      last_us_ = record.time_us;
    }
    return records.empty() ? absl::OkStatus() : writer_->Flush();
  }

  bool begun() const { return writer_.has_value(); }
  uint64_t lost() const { return lost_; }

  nlohmann::ordered_json Report() const {
    return {{"file", path_},          {"models", names_},          {"accesses", total()},
            {"demands", counts_[0]},  {"hints", counts_[1]},       {"preloads", counts_[2]},
            {"lost_accesses", lost_}, {"last_access_us", last_us_}};
  }

  void Print() const {
    std::printf("%" PRIu64 " accesses over %s: %" PRIu64 " demands, %" PRIu64 " hints, %" PRIu64
                " preloads; %" PRIu64 " lost\n",
                total(), FormatSeconds(static_cast<double>(last_us_) / 1e6).c_str(), counts_[0],
                counts_[1], counts_[2], lost_);
  }

 private:
  uint64_t total() const { return counts_[0] + counts_[1] + counts_[2]; }

  const std::string& path_;
  std::optional<TraceWriter> writer_;
  std::vector<std::string> names_;
  std::array<uint64_t, 3> counts_{};  // by Access
  uint64_t lost_ = 0;
  uint64_t last_us_ = 0;
};

bool IsEndOfDaemon(const absl::Status& status) {
  const std::optional<ErrorInfo> info = GetErrorInfo(status);
  return info && info->reason == ErrorReason::kShuttingDown;
}

}  // namespace

absl::Status RunTraceRecord(const TraceRecordOptions& options, const CommandContext& context) {
  ECF8_ASSIGN_OR_RETURN(const auto client, options.daemon.Connect(context));
  v1::RecordAccessesRequest request;
  request.mutable_models()->Add(options.models.begin(), options.models.end());
  FileSink sink(options.path);
  absl::Status status =
      client->RecordAccesses(request, std::chrono::seconds(options.seconds), sink);
  if (!sink.begun()) return status;
  if (IsEndOfDaemon(status)) {
    std::fputs("the daemon has stopped\n", stderr);
    status = absl::OkStatus();
  }
  if (sink.lost() > 0) {
    std::fprintf(stderr, "%" PRIu64 " accesses came faster than they could be recorded\n",
                 sink.lost());
  }
  context.json ? PrintJson(sink.Report()) : sink.Print();
  return AddContext(status, "the trace ends early");
}

}  // namespace ecf8
