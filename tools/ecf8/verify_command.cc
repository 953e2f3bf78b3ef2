#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "loader/base/strings.h"
#include "loader/model/compress.h"
#include "tools/ecf8/commands.h"
#include "tools/ecf8/job_flags.h"
#include "tools/ecf8/text.h"

namespace ecf8 {
namespace {

class VerifyCommand final : public Command {
 public:
  std::string_view name() const override { return "verify"; }
  std::string_view summary() const override { return "check every byte of a compressed model"; }

  void AddArguments(Arguments arguments) override {
    arguments.Add("DIR", directory_, "the directory of a compressed model").Required();
    arguments.Add("--against", against_, "the original, to compare every byte with");
    flags_.AddThreads(arguments);
  }

  absl::Status Run(const CommandContext& context) override {
    const auto started = std::chrono::steady_clock::now();
    ProgressReporter progress("verify");
    const auto report = VerifyModel(directory_, against_, flags_.Options(context, progress));
    progress.Finish();
    if (!report.ok()) return report.status();
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    if (context.json) {
      PrintJson({{"ok", report->problem_count == 0},
                 {"problem_count", report->problem_count},
                 {"problems", report->problems},
                 {"notes", report->notes},
                 {"units", report->unit_count},
                 {"tensors", report->tensor_count},
                 {"checked_bytes", report->checked_bytes},
                 {"against", !against_.empty()},
                 {"seconds", seconds},
                 {"gbps", static_cast<double>(report->checked_bytes) / seconds / 1e9}});
    } else {
      std::fputs(Text(*report, seconds).c_str(), stdout);
    }
    if (report->problem_count == 0) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(report->problem_count, " problems"));
  }

 private:
  std::string Text(const VerifyReport& report, double seconds) const {
    std::string text;
    for (const std::string& problem : report.problems) absl::StrAppend(&text, problem, "\n");
    if (report.problem_count > report.problems.size()) {
      absl::StrAppend(&text, "and ", report.problem_count - report.problems.size(), " more\n");
    }
    for (const std::string& note : report.notes) absl::StrAppend(&text, "note: ", note, "\n");
    absl::StrAppend(&text, report.problem_count == 0 ? "OK: " : "DAMAGED: ", report.unit_count,
                    " units, ", report.tensor_count, " tensors, ",
                    FormatBytes(report.checked_bytes), " decoded",
                    against_.empty() ? "" : " and compared with the original", " in ",
                    FormatSeconds(seconds), ", ", FormatRate(report.checked_bytes, seconds), "\n");
    return text;
  }

  std::string directory_;
  std::string against_;
  JobFlags flags_;
};

}  // namespace

std::unique_ptr<Command> MakeVerifyCommand() { return std::make_unique<VerifyCommand>(); }

}  // namespace ecf8
