#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/model/compressed_model.h"
#include "tools/ecf8/commands.h"
#include "tools/ecf8/model_summary.h"

namespace ecf8 {
namespace {

class InspectCommand final : public Command {
 public:
  std::string_view name() const override { return "inspect"; }
  std::string_view summary() const override { return "say what a compressed model is made of"; }

  void AddArguments(Arguments arguments) override {
    arguments.Add("DIR", directory_, "the directory of a compressed model").Required();
    arguments.Add("--units", units_, "list the units");
    arguments.Add("--tensors", tensors_, "list the tensors");
  }

  absl::Status Run(const CommandContext& context) override {
    ECF8_ASSIGN_OR_RETURN(const auto model, CompressedModel::Open(directory_));
    if (context.json) {
      nlohmann::ordered_json document = SummaryJson(*model);
      if (units_) document["unit_list"] = UnitsJson(*model);
      if (tensors_) document["tensor_list"] = TensorsJson(*model);
      PrintJson(document);
      return absl::OkStatus();
    }
    std::string text = SummaryText(*model);
    if (units_) absl::StrAppend(&text, "\n", UnitsText(*model));
    if (tensors_) absl::StrAppend(&text, "\n", TensorsText(*model));
    std::fputs(text.c_str(), stdout);
    return absl::OkStatus();
  }

 private:
  std::string directory_;
  bool units_ = false;
  bool tensors_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeInspectCommand() { return std::make_unique<InspectCommand>(); }

}  // namespace ecf8
