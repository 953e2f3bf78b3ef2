#include <memory>
#include <string>
#include <string_view>

#include "loader/model/compress.h"
#include "tools/ecf8/commands.h"
#include "tools/ecf8/compress_report.h"
#include "tools/ecf8/job_flags.h"

namespace ecf8 {
namespace {

class CompressCommand final : public Command {
 public:
  std::string_view name() const override { return "compress"; }
  std::string_view summary() const override { return "compress a model, losslessly"; }

  void AddArguments(Arguments arguments) override {
    arguments.Add("SRC", source_, "a Hugging Face directory or a .safetensors file").Required();
    arguments.Add("DST", destination_, "the directory to make").Required();
    flags_.AddThreads(arguments);
    flags_.AddForce(arguments);
  }

  absl::Status Run(const CommandContext& context) override {
    ProgressReporter progress("compress");
    const auto result = CompressModel(source_, destination_, flags_.Options(context, progress));
    progress.Finish();
    if (!result.ok()) return result.status();
    return PrintCompressSummary(destination_, *result, context.json);
  }

 private:
  std::string source_;
  std::string destination_;
  JobFlags flags_;
};

}  // namespace

std::unique_ptr<Command> MakeCompressCommand() { return std::make_unique<CompressCommand>(); }

}  // namespace ecf8
