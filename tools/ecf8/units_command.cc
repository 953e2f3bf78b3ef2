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

std::string UnitTable(const std::vector<v1::Unit>& units) {
  std::vector<std::vector<std::string>> rows = {{"UNIT", "TENSORS", "DECODED", "STORED"}};
  for (const v1::Unit& unit : units) {
    rows.push_back({Printable(unit.id()), std::to_string(unit.tensors_size()),
                    FormatBytes(unit.decoded_size_bytes()), FormatBytes(unit.stored_size_bytes())});
  }
  return FormatTable(rows, {false, true, true, true});
}

class UnitsCommand final : public Command {
 public:
  std::string_view name() const override { return "units"; }
  std::string_view summary() const override {
    return "list the units of a model; with --json, their tensors too";
  }
  void AddArguments(Arguments arguments) override {
    arguments.Add("MODEL", model_, "a name that `ecf8 models` lists").Required();
    daemon_.AddTo(arguments);
  }

  absl::Status Run(const CommandContext& context) override {
    ECF8_ASSIGN_OR_RETURN(const auto client, daemon_.Connect(context));
    std::vector<v1::Unit> units;
    auto array = nlohmann::ordered_json::array();
    ECF8_ASSIGN_OR_RETURN(
        const v1::Model model,
        client->DescribeModel(model_, /*with_chunks=*/false, [&](const v1::Unit& unit) {
          if (context.json) {
            array.push_back(ToJson(unit));
          } else {
            units.push_back(unit);
          }
          return absl::OkStatus();
        }));
    if (context.json) {
      PrintJson({{"model", ToJson(model)}, {"units", array}});
    } else {
      std::fputs(UnitTable(units).c_str(), stdout);
    }
    return absl::OkStatus();
  }

 private:
  std::string model_;
  DaemonOption daemon_;
};

}  // namespace

std::unique_ptr<Command> MakeUnitsCommand() { return std::make_unique<UnitsCommand>(); }

}  // namespace ecf8
