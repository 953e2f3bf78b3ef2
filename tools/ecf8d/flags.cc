#include "tools/ecf8d/flags.h"

#include <cstdio>
#include <string>
#include <variant>
#include <vector>

#include "rpc/status_table.h"
#include "tools/arguments.h"

namespace ecf8 {
namespace {

int Complain(const absl::Status& status, int exit_status) {
  std::fprintf(stderr, "ecf8d: %s\n", std::string(status.message()).c_str());
  return exit_status;
}

// Binds `setting` to its member of `config`.
Argument AddSetting(Arguments arguments, const Setting& setting, DaemonConfig* config) {
  const std::string flag = "--" + std::string(setting.name);
  return std::visit(
      [&](const auto member) { return arguments.Add(flag, config->*member, setting.help); },
      setting.member);
}

}  // namespace

std::optional<int> ParseFlags(int argc, char** argv, ParsedFlags* flags) {
  CommandLine command_line("ecf8d", "Serves compressed FP8 models.");
  Arguments arguments = command_line.arguments();
  std::string config_file;
  arguments.Add("--config", config_file,
                "a TOML file; a key is a flag's name, and flags win over it");
  arguments.Add("--check-config", flags->check_config,
                "check the configuration, open the models, and stop");
  DaemonConfig given;
  std::vector<Argument> settings;
  for (const Setting& setting : AllSettings()) {
    settings.push_back(AddSetting(arguments, setting, &given));
  }
  if (const std::optional<int> exit_status = command_line.Parse(argc, argv)) return *exit_status;

  if (!config_file.empty()) {
    const absl::Status status = ReadConfigFile(config_file, &flags->config);
    if (!status.ok()) return Complain(status, kExitFailed);
  }
  for (size_t i = 0; i < settings.size(); ++i) {
    if (!settings[i].given()) continue;
    const Setting& setting = AllSettings()[i];
    const absl::Status status = CheckSetting(setting, given);
    if (!status.ok()) return Complain(status, kExitWrongUsage);
    CopySetting(setting, given, &flags->config);
  }
  const absl::Status status = CheckConfig(flags->config);
  if (!status.ok()) return Complain(status, kExitWrongUsage);
  return std::nullopt;
}

}  // namespace ecf8
