#include "tools/ecf8d/flags.h"

#include <cstdio>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "rpc/status_table.h"
#include "tools/version.h"

namespace ecf8 {
namespace {

int Complain(const absl::Status& status, int exit_status) {
  std::fprintf(stderr, "ecf8d: %s\n", std::string(status.message()).c_str());
  return exit_status;
}

// Binds `setting` to its member of `config`.
CLI::Option* AddOption(CLI::App& app, const Setting& setting, DaemonConfig* config) {
  const std::string flag = "--" + std::string(setting.name);
  if (const auto* member = std::get_if<bool DaemonConfig::*>(&setting.member)) {
    return app.add_flag(flag, config->*(*member), setting.help);
  }
  if (const auto* member = std::get_if<int64_t DaemonConfig::*>(&setting.member)) {
    return app.add_option(flag, config->*(*member), setting.help);
  }
  if (const auto* member = std::get_if<std::string DaemonConfig::*>(&setting.member)) {
    return app.add_option(flag, config->*(*member), setting.help);
  }
  const auto member = std::get<std::vector<std::string> DaemonConfig::*>(setting.member);
  return app.add_option(flag, config->*member, setting.help)->allow_extra_args(false);
}

}  // namespace

std::optional<int> ParseFlags(int argc, char** argv, ParsedFlags* flags) {
  CLI::App app("Serves compressed FP8 models.", "ecf8d");
  app.set_version_flag("--version", "ecf8d " + std::string(kVersion));
  std::string config_file;
  app.add_option("--config", config_file,
                 "a TOML file; a key is a flag's name, and flags win over it");
  app.add_flag("--check-config", flags->check_config,
               "check the configuration, open the models, and stop");
  DaemonConfig given;
  std::vector<CLI::Option*> options;
  for (const Setting& setting : AllSettings()) options.push_back(AddOption(app, setting, &given));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // CLI11 has no other way to tell; --help comes here too
    return app.exit(error) == 0 ? kExitDone : kExitWrongUsage;
  }

  if (!config_file.empty()) {
    const absl::Status status = ReadConfigFile(config_file, &flags->config);
    if (!status.ok()) return Complain(status, kExitFailed);
  }
  for (size_t i = 0; i < options.size(); ++i) {
    if (options[i]->count() == 0) continue;
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
