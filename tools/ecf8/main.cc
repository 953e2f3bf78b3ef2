// ecf8: the command line. Parses, runs one command, turns its Status into an exit status.

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "rpc/status_table.h"
#include "tools/ecf8/command.h"
#include "tools/ecf8/commands.h"
#include "tools/ecf8/interrupt.h"
#include "tools/version.h"

namespace ecf8 {
namespace {

// A full disk or a closed pipe behind stdout is a failure like any other.
absl::Status FlushResults() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return absl::OkStatus();
  return absl::DataLossError("could not write the result to stdout");
}

int RunCommand(Command& command, const CommandContext& context) {
  absl::Status status = command.Run(context);
  if (status.ok()) status = FlushResults();
  if (status.ok()) return kExitDone;
  std::fflush(stdout);
  std::fprintf(stderr, "ecf8 %s: %s\n", std::string(command.name()).c_str(),
               std::string(status.message()).c_str());
  return IsUsageError(status) ? kExitWrongUsage : ExitStatusFor(status.code());
}

int Main(int argc, char** argv) {
  CLI::App app("Lossless compression of FP8 weights, and a client of ecf8d.", "ecf8");
  app.set_version_flag("--version", "ecf8 " + std::string(kVersion));
  app.require_subcommand(1);

  CommandContext context;
  const std::vector<std::unique_ptr<Command>> commands = AllCommands();
  std::vector<CLI::App*> parsers;
  for (const auto& command : commands) {
    CLI::App* parser =
        app.add_subcommand(std::string(command->name()), std::string(command->summary()));
    parser->fallthrough();  // so that --json may stand behind a nested subcommand
    command->AddOptions(*parser);
    parser->add_flag("--json", context.json, "print the result as JSON");
    parsers.push_back(parser);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // CLI11 has no other way to tell; --help comes here too
    return app.exit(error) == 0 ? kExitDone : kExitWrongUsage;
  }

  context.cancel = InstallInterruptHandler();
  for (size_t i = 0; i < commands.size(); ++i) {
    if (parsers[i]->parsed()) return RunCommand(*commands[i], context);
  }
  return kExitWrongUsage;
}

}  // namespace
}  // namespace ecf8

int main(int argc, char** argv) { return ecf8::Main(argc, argv); }
