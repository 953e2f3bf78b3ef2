// ecf8: the command line. Parses, runs one command, turns its Status into an exit status.

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "rpc/status_table.h"
#include "tools/arguments.h"
#include "tools/ecf8/command.h"
#include "tools/ecf8/commands.h"
#include "tools/ecf8/interrupt.h"

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
  CommandLine command_line("ecf8", "Lossless compression of FP8 weights, and a client of ecf8d.");
  CommandContext context;
  const std::vector<std::unique_ptr<Command>> commands = AllCommands();
  std::vector<Arguments> subcommands;
  for (const auto& command : commands) {
    Arguments arguments =
        command_line.arguments().AddSubcommand(command->name(), command->summary());
    command->AddArguments(arguments);
    arguments.Add("--json", context.json, "print the result as JSON");
    subcommands.push_back(arguments);
  }
  if (const std::optional<int> exit_status = command_line.Parse(argc, argv)) return *exit_status;

  context.cancel = InstallInterruptHandler();
  const InterruptWatcher watcher;
  context.stop = watcher.token();
  for (size_t i = 0; i < commands.size(); ++i) {
    if (subcommands[i].given()) return RunCommand(*commands[i], context);
  }
  return kExitWrongUsage;
}

}  // namespace
}  // namespace ecf8

int main(int argc, char** argv) { return ecf8::Main(argc, argv); }
