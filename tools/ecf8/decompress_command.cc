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

class DecompressCommand final : public Command {
 public:
  std::string_view name() const override { return "decompress"; }
  std::string_view summary() const override {
    return "give back the original of a compressed model, byte for byte";
  }

  void AddArguments(Arguments arguments) override {
    arguments.Add("SRC", source_, "the directory of a compressed model").Required();
    arguments.Add("DST", destination_, "the directory to make").Required();
    flags_.AddThreads(arguments);
    flags_.AddForce(arguments);
  }

  absl::Status Run(const CommandContext& context) override {
    ProgressReporter progress("decompress");
    const auto result = DecompressModel(source_, destination_, flags_.Options(context, progress));
    progress.Finish();
    if (!result.ok()) return result.status();
    if (context.json) {
      PrintJson({{"raw_bytes", result->raw_bytes},
                 {"stored_bytes", result->stored_bytes},
                 {"seconds", result->seconds},
                 {"gbps", static_cast<double>(result->raw_bytes) / result->seconds / 1e9}});
      return absl::OkStatus();
    }
    const std::string text =
        absl::StrCat(FormatBytes(result->raw_bytes), " restored from ",
                     FormatBytes(result->stored_bytes), " in ", FormatSeconds(result->seconds),
                     ", ", FormatRate(result->raw_bytes, result->seconds), "\n");
    std::fputs(text.c_str(), stdout);
    return absl::OkStatus();
  }

 private:
  std::string source_;
  std::string destination_;
  JobFlags flags_;
};

}  // namespace

std::unique_ptr<Command> MakeDecompressCommand() { return std::make_unique<DecompressCommand>(); }

}  // namespace ecf8
