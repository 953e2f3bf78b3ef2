#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "decoder/status_macros.h"
#include "loader/analysis/analyze.h"
#include "loader/base/file.h"
#include "tools/ecf8/analysis_html.h"
#include "tools/ecf8/analysis_report.h"
#include "tools/ecf8/commands.h"
#include "tools/ecf8/job_flags.h"

namespace ecf8 {
namespace {

class AnalyzeCommand final : public Command {
 public:
  std::string_view name() const override { return "analyze"; }
  std::string_view summary() const override {
    return "estimate what compressing a model will save, and show why";
  }

  void AddArguments(Arguments arguments) override {
    arguments.Add("SRC", source_, "a model, plain or compressed: directory or .safetensors file")
        .Required();
    arguments.Add("--tensors", by_tensor_, "a row for each tensor instead of each kind");
    arguments.Add("--html", html_, "write a page with plots to this file; replaces it");
    flags_.AddThreads(arguments);
  }

  absl::Status Run(const CommandContext& context) override {
    ProgressReporter progress("analyze");
    const absl::StatusOr<ModelAnalysis> model =
        AnalyzeModel(source_, flags_.Options(context, progress));
    progress.Finish();
    ECF8_RETURN_IF_ERROR(model.status());
    if (!html_.empty()) ECF8_RETURN_IF_ERROR(WriteHtml(*model));
    if (context.json) {
      PrintJson(AnalysisJson(*model));
    } else {
      std::fputs(AnalysisText(*model, by_tensor_).c_str(), stdout);
    }
    return absl::OkStatus();
  }

 private:
  absl::Status WriteHtml(const ModelAnalysis& model) const {
    const std::string page = AnalysisHtml(model, source_);
    std::FILE* file = std::fopen(html_.c_str(), "wb");
    if (file == nullptr) return ErrnoStatus(errno, html_);
    const bool written = std::fwrite(page.data(), 1, page.size(), file) == page.size();
    const int error = errno;
    if (std::fclose(file) == 0 && written) return absl::OkStatus();
    return ErrnoStatus(written ? errno : error, html_);
  }

  std::string source_;
  std::string html_;
  bool by_tensor_ = false;
  JobFlags flags_;
};

}  // namespace

std::unique_ptr<Command> MakeAnalyzeCommand() { return std::make_unique<AnalyzeCommand>(); }

}  // namespace ecf8
