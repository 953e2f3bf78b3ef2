#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "tools/ecf8/commands.h"
#include "tools/ecf8/daemon_option.h"
#include "tools/ecf8/text.h"
#include "tools/ecf8/wire_json.h"

namespace ecf8 {
namespace {

std::string ModelTable(const std::vector<v1::Model>& models) {
  std::vector<std::vector<std::string>> rows = {
      {"MODEL", "DECODED", "STORED", "UNITS", "TENSORS", "DIGEST"}};
  for (const v1::Model& model : models) {
    rows.push_back({Printable(model.name()), FormatBytes(model.decoded_size_bytes()),
                    FormatBytes(model.stored_size_bytes()), std::to_string(model.unit_count()),
                    std::to_string(model.tensor_count()), Printable(model.digest())});
  }
  return FormatTable(rows, {false, true, true, true, true, false});
}

class ModelsCommand final : public Command {
 public:
  std::string_view name() const override { return "models"; }
  std::string_view summary() const override { return "list the models that the daemon serves"; }
  void AddArguments(Arguments arguments) override { daemon_.AddTo(arguments); }

  absl::Status Run(const CommandContext& context) override {
    ECF8_ASSIGN_OR_RETURN(const auto client, daemon_.Connect(context));
    ECF8_ASSIGN_OR_RETURN(const std::vector<v1::Model> models, client->ListModels());
    if (!context.json) {
      std::fputs(ModelTable(models).c_str(), stdout);
      return absl::OkStatus();
    }
    auto array = nlohmann::ordered_json::array();
    for (const v1::Model& model : models) array.push_back(ToJson(model));
    PrintJson({{"models", array}});
    return absl::OkStatus();
  }

 private:
  DaemonOption daemon_;
};

}  // namespace

std::unique_ptr<Command> MakeModelsCommand() { return std::make_unique<ModelsCommand>(); }

}  // namespace ecf8
