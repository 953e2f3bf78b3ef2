#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"
#include "tools/ecf8/commands.h"
#include "tools/ecf8/daemon_option.h"
#include "tools/ecf8/progress.h"
#include "tools/ecf8/source_comparison.h"
#include "tools/ecf8/text.h"
#include "tools/ecf8/unit_writer.h"

namespace ecf8 {
namespace {

struct FetchTotals {
  uint64_t received_bytes = 0;  // of data, in the form asked for
  uint64_t decoded_bytes = 0;   // what the tensors that came have decoded
  uint32_t units = 0;
  uint32_t tensors = 0;  // a split one counts once for every part
};

// Makes `directory` where it is missing; empty text is none.
absl::Status MakeDirectory(const std::string& directory) {
  if (directory.empty() || mkdir(directory.c_str(), 0777) == 0 || errno == EEXIST) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, "could not make " + directory);
}

// Counts, shows progress, and writes into `directory`, if that is not empty.
class CountingSink final : public FetchSink {
 public:
  // `against` may be null: nothing to compare with.
  CountingSink(std::string directory, v1::Form form, uint64_t total_bytes,
               SourceComparison* against)
      : directory_(std::move(directory)),
        writer_(directory_.empty() ? nullptr : MakeUnitWriter(directory_, form)),
        total_bytes_(total_bytes),
        against_(against),
        progress_("fetch") {}

  absl::Status UnitBegin(const v1::Unit& unit) override {
    // Not earlier: a refused fetch leaves nothing.
    if (totals_.units == 0) ECF8_RETURN_IF_ERROR(MakeDirectory(directory_));
    ++totals_.units;
    totals_.tensors += static_cast<uint32_t>(unit.tensors_size());
    for (const v1::Tensor& tensor : unit.tensors()) totals_.decoded_bytes += tensor.size_bytes();
    return writer_ != nullptr ? writer_->Begin(unit) : absl::OkStatus();
  }

  absl::Status UnitData(uint64_t offset_bytes, std::string_view data) override {
    totals_.received_bytes += data.size();
    if (total_bytes_ > 0) progress_.Update(totals_.received_bytes, total_bytes_);
    return writer_ != nullptr ? writer_->Data(offset_bytes, data) : absl::OkStatus();
  }

  absl::Status TensorBytes(const v1::Tensor& tensor, uint64_t offset_bytes,
                           absl::Span<const uint8_t> bytes) override {
    if (against_ == nullptr) return absl::OkStatus();
    return against_->Compare(tensor.name(), offset_bytes, bytes);
  }

  absl::Status UnitEnd() override { return writer_ != nullptr ? writer_->End() : absl::OkStatus(); }

  const FetchTotals& totals() const { return totals_; }
  void Finish() { progress_.Finish(); }

 private:
  const std::string directory_;
  const std::unique_ptr<UnitWriter> writer_;
  const uint64_t total_bytes_;
  SourceComparison* const against_;
  ProgressReporter progress_;
  FetchTotals totals_;
};

class FetchCommand final : public Command {
 public:
  std::string_view name() const override { return "fetch"; }
  std::string_view summary() const override {
    return "fetch and check units or tensors; without any, the whole model";
  }
  void AddArguments(Arguments arguments) override;
  absl::Status Run(const CommandContext& context) override;

 private:
  v1::FetchRequest MakeRequest() const;
  // What will come, in bytes, from the daemon's description; 0 where it does not say.
  absl::StatusOr<uint64_t> ExpectedBytes(WeightClient& client) const;
  void PrintSummary(const CommandContext& context, const FetchTotals& totals, double seconds,
                    uint64_t compared_bytes) const;

  std::string model_;
  std::vector<std::string> units_;
  std::vector<std::string> tensors_;
  std::string form_ = "decoded";
  std::string out_;
  bool verify_ = false;
  std::string against_;
  DaemonOption daemon_;
};

void FetchCommand::AddArguments(Arguments arguments) {
  arguments.Add("MODEL", model_, "a name that `ecf8 models` lists").Required();
  arguments.Add("UNIT", units_, "unit ids that `ecf8 units` lists");
  arguments.Add("--tensor", tensors_, "a tensor by name; may be given again");
  arguments.Add("--form", form_, "compressed (as stored) or decoded")
      .OneOf({"compressed", "decoded"});
  arguments.Add("--out", out_,
                "write UNIT.safetensors (decoded), or UNIT.ecf8unit and UNIT.json (compressed), "
                "into this directory; without it, fetch, check and discard");
  arguments.Add("--verify", verify_,
                "also decode compressed bytes here, and check the result; decoded ones are always "
                "checked");
  arguments.Add("--against", against_,
                "compare every byte with this plain model: a directory or .safetensors file; "
                "decodes compressed bytes as --verify does");
  daemon_.AddTo(arguments);
}

v1::FetchRequest FetchCommand::MakeRequest() const {
  v1::FetchRequest request;
  request.set_model(model_);
  request.mutable_units()->Add(units_.begin(), units_.end());
  request.mutable_tensors()->Add(tensors_.begin(), tensors_.end());
  request.set_form(form_ == "compressed" ? v1::FORM_STORED : v1::FORM_DECODED);
  return request;
}

absl::StatusOr<uint64_t> FetchCommand::ExpectedBytes(WeightClient& client) const {
  const bool stored = form_ == "compressed";
  if (units_.empty() && tensors_.empty()) {
    ECF8_ASSIGN_OR_RETURN(const std::vector<v1::Model> models, client.ListModels());
    for (const v1::Model& model : models) {
      if (model.name() == model_) {
        return stored ? model.stored_size_bytes() : model.decoded_size_bytes();
      }
    }
    return uint64_t{0};
  }
  const std::unordered_set<std::string> units(units_.begin(), units_.end());
  const std::unordered_set<std::string> tensors(tensors_.begin(), tensors_.end());
  uint64_t bytes = 0;
  const auto add = [&](const v1::Unit& unit) {
    for (const v1::Tensor& tensor : unit.tensors()) {
      if (!units.contains(unit.id()) && !tensors.contains(tensor.name())) continue;
      bytes += stored ? tensor.stored_size_bytes() : tensor.size_bytes();
    }
    return absl::OkStatus();
  };
  ECF8_RETURN_IF_ERROR(client.DescribeModel(model_, /*with_chunks=*/false, add).status());
  return bytes;
}

absl::Status FetchCommand::Run(const CommandContext& context) {
  ECF8_ASSIGN_OR_RETURN(const auto client, daemon_.Connect(context));
  ECF8_ASSIGN_OR_RETURN(const uint64_t expected_bytes, ExpectedBytes(*client));
  std::optional<SourceComparison> against;
  if (!against_.empty()) {
    ECF8_ASSIGN_OR_RETURN(against, SourceComparison::Open(against_));
  }
  const v1::FetchRequest request = MakeRequest();
  CountingSink sink(out_, request.form(), expected_bytes, against ? &*against : nullptr);
  const auto started = std::chrono::steady_clock::now();
  const absl::Status status = client->Fetch(request, verify_ || against, sink);
  const auto elapsed = std::chrono::steady_clock::now() - started;
  sink.Finish();
  ECF8_RETURN_IF_ERROR(status);
  const uint64_t compared_bytes = against ? against->compared_bytes() : 0;
  if (against && units_.empty() && tensors_.empty() && compared_bytes != against->total_bytes()) {
    return absl::DataLossError("the daemon's model lacks tensors of " + against_);
  }
  PrintSummary(context, sink.totals(), std::chrono::duration<double>(elapsed).count(),
               compared_bytes);
  return absl::OkStatus();
}

void FetchCommand::PrintSummary(const CommandContext& context, const FetchTotals& totals,
                                double seconds, uint64_t compared_bytes) const {
  if (context.json) {
    nlohmann::ordered_json json;
    json["model"] = model_;
    json["form"] = form_;
    json["units"] = totals.units;
    json["tensors"] = totals.tensors;
    json["received_bytes"] = totals.received_bytes;
    json["decoded_bytes"] = totals.decoded_bytes;
    json["seconds"] = seconds;
    json["decoded_gb_per_second"] =
        seconds > 0 ? static_cast<double>(totals.decoded_bytes) / seconds / 1e9 : 0.0;
    json["decoded_checked"] = verify_ || form_ == "decoded" || !against_.empty();
    if (!against_.empty()) json["compared_bytes"] = compared_bytes;
    if (!out_.empty()) json["out"] = out_;
    PrintJson(json);
    return;
  }
  std::printf("%s: %u units, %s received in %s: %s decoded\n", Printable(model_).c_str(),
              totals.units, FormatBytes(totals.received_bytes).c_str(),
              FormatSeconds(seconds).c_str(), FormatRate(totals.decoded_bytes, seconds).c_str());
  if (!against_.empty()) {
    std::printf("%s compared with %s: equal\n", FormatBytes(compared_bytes).c_str(),
                Printable(against_).c_str());
  }
}

}  // namespace

std::unique_ptr<Command> MakeFetchCommand() { return std::make_unique<FetchCommand>(); }

}  // namespace ecf8
