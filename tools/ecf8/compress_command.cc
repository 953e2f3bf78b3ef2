#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/model/compress.h"
#include "loader/model/compressed_model.h"
#include "tools/ecf8/commands.h"
#include "tools/ecf8/job_flags.h"
#include "tools/ecf8/model_summary.h"
#include "tools/ecf8/text.h"

namespace ecf8 {
namespace {

class CompressCommand final : public Command {
 public:
  std::string_view name() const override { return "compress"; }
  std::string_view summary() const override { return "compress a model, losslessly"; }

  void AddOptions(CLI::App& app) override {
    app.add_option("SRC", source_, "a Hugging Face directory or a .safetensors file")->required();
    app.add_option("DST", destination_, "the directory to make")->required();
    flags_.AddThreads(app);
    flags_.AddForce(app);
  }

  absl::Status Run(const CommandContext& context) override {
    ProgressReporter progress("compress");
    const auto result = CompressModel(source_, destination_, flags_.Options(context, progress));
    progress.Finish();
    if (!result.ok()) return result.status();
    ECF8_ASSIGN_OR_RETURN(const auto model, CompressedModel::Open(destination_));
    if (context.json) {
      nlohmann::ordered_json document = SummaryJson(*model);
      document["seconds"] = result->seconds;
      document["gbps"] = static_cast<double>(result->raw_bytes) / result->seconds / 1e9;
      PrintJson(document);
      return absl::OkStatus();
    }
    const std::string text = absl::StrCat(SummaryText(*model), "\n", FormatBytes(result->raw_bytes),
                                          " in ", FormatSeconds(result->seconds), ", ",
                                          FormatRate(result->raw_bytes, result->seconds), "\n");
    std::fputs(text.c_str(), stdout);
    return absl::OkStatus();
  }

 private:
  std::string source_;
  std::string destination_;
  JobFlags flags_;
};

}  // namespace

std::unique_ptr<Command> MakeCompressCommand() { return std::make_unique<CompressCommand>(); }

}  // namespace ecf8
