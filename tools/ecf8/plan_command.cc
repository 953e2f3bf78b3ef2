#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/model/compressed_model.h"
#include "loader/model/other_files.h"
#include "tools/ecf8/commands.h"
#include "tools/ecf8/plan_measure.h"
#include "tools/ecf8/plan_report.h"

namespace ecf8 {
namespace {

constexpr uint64_t kMaxTextBytes = uint64_t{1} << 20;
constexpr size_t kMaxBatches = 32;

bool IsDirectory(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

bool Exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

// A config.json, or a directory with one: what it holds counts where it is compressed.
absl::StatusOr<ModelShape> ReadShape(const std::string& path) {
  if (!IsDirectory(path)) {
    ECF8_ASSIGN_OR_RETURN(const std::string config, ReadFile(path, kMaxTextBytes));
    return ShapeOfConfig(config);
  }
  const std::string config_path = path + "/config.json";
  std::string config;
  if (Exists(config_path)) {
    ECF8_ASSIGN_OR_RETURN(config, ReadFile(config_path, kMaxTextBytes));
  }
  const auto model = CompressedModel::Open(path);
  if (model.ok()) return ShapeOfModel(**model, config);
  // A compressed one that is damaged is not a plain one.
  if (config.empty() || !absl::IsNotFound(model.status())) return model.status();
  ECF8_ASSIGN_OR_RETURN(ModelShape shape, ShapeOfConfig(config));
  shape.name = std::filesystem::path(path).filename().string();
  return shape;
}

class PlanCommand final : public Command {
 public:
  std::string_view name() const override { return "plan"; }
  std::string_view summary() const override {
    return "compute how fast a machine will run a model, and what holds it back";
  }
  void AddArguments(Arguments arguments) override {
    arguments.Add("MODEL", model_, "a compressed or a plain directory, or a config.json alone")
        .Required();
    arguments.Add("--hardware", hardware_,
                  "a machine: a JSON file, or h100, h100-small-host, h200, b200, rtx4090");
    arguments.Add("--batch", batches_, "sequences side by side; may be given again")
        .Range(1, 1 << 20);
    arguments.Add("--context", context_tokens_, "tokens of each sequence").Range(1, 1 << 24);
    arguments.Add("--skew", skew_, "of the Zipf law by which experts are chosen").RealRange(0, 4);
    hit_rate_argument_ =
        arguments.Add("--device-hit-rate", hit_rate_, "of experts, instead of what --skew gives");
    hit_rate_argument_->RealRange(0, 1);
    arguments.Add("--measure", measure_,
                  "print this machine, as the host device, instead: MODEL is compressed");
    arguments.Add("--bits", bits_, "stored, of an FP8 weight; default: the model's, or 6.69")
        .RealRange(4, 8);
  }

  absl::Status Run(const CommandContext& context) override {
    if (batches_.size() > kMaxBatches) return UsageError("at most 32 batches");
    if (measure_) {
      ECF8_ASSIGN_OR_RETURN(const auto model, CompressedModel::Open(model_));
      ECF8_ASSIGN_OR_RETURN(const Hardware hardware, MeasureHost(*model));
      std::printf("%s\n", HardwareJson(hardware).c_str());
      return absl::OkStatus();
    }
    PlanReport report{.skew = skew_};
    ECF8_ASSIGN_OR_RETURN(report.model, ReadShape(model_));
    ECF8_ASSIGN_OR_RETURN(report.hardware, ReadHardware());
    if (bits_ > 0) report.model.bits_per_weight = bits_;
    Planner planner(report.model, skew_);
    if (!batches_.empty()) options_.batches = batches_;
    options_.context_tokens = context_tokens_;
    if (hit_rate_argument_->given()) options_.device_hit_rate = hit_rate_;
    report.options = options_;
    report.compressed = planner.MakePlan(report.hardware, options_);
    report.changes = planner.TryChanges(report.hardware, options_);
    options_.compressed = false;
    report.plain = planner.MakePlan(report.hardware, options_);
    if (context.json) {
      PrintJson(PlanJson(report));
    } else {
      std::fputs(PlanText(report).c_str(), stdout);
    }
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<Hardware> ReadHardware() const {
    if (!Exists(hardware_)) return FindHardware(hardware_);
    ECF8_ASSIGN_OR_RETURN(const std::string text, ReadFile(hardware_, kMaxTextBytes));
    return ParseHardware(text);
  }

  std::string model_;
  std::string hardware_ = "h100";
  std::vector<uint32_t> batches_;
  uint64_t context_tokens_ = 4096;
  double hit_rate_ = 0;
  double bits_ = 0;
  double skew_ = Planner::kDefaultSkew;
  bool measure_ = false;
  std::optional<Argument> hit_rate_argument_;
  PlanOptions options_;
};

}  // namespace

std::unique_ptr<Command> MakePlanCommand() { return std::make_unique<PlanCommand>(); }

}  // namespace ecf8
