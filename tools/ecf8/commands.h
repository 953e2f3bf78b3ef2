// The list of subcommands: a new one is declared here and named in commands.cc.
#ifndef ECF8_TOOLS_ECF8_COMMANDS_H_
#define ECF8_TOOLS_ECF8_COMMANDS_H_

#include <memory>
#include <vector>

#include "tools/ecf8/command.h"

namespace ecf8 {

std::unique_ptr<Command> MakeCompressCommand();
std::unique_ptr<Command> MakeDecompressCommand();
std::unique_ptr<Command> MakeVerifyCommand();
std::unique_ptr<Command> MakeInspectCommand();
std::unique_ptr<Command> MakePullCommand();
std::unique_ptr<Command> MakeModelsCommand();
std::unique_ptr<Command> MakeAddCommand();
std::unique_ptr<Command> MakeRemoveCommand();
std::unique_ptr<Command> MakeUnitsCommand();
std::unique_ptr<Command> MakeFetchCommand();
std::unique_ptr<Command> MakePreloadCommand();
std::unique_ptr<Command> MakePinCommand();
std::unique_ptr<Command> MakeUnpinCommand();
std::unique_ptr<Command> MakeEvictCommand();
std::unique_ptr<Command> MakeStatusCommand();
std::unique_ptr<Command> MakeTokenCommand();
std::unique_ptr<Command> MakeTraceCommand();
std::unique_ptr<Command> MakeAnalyzeCommand();
std::unique_ptr<Command> MakePlanCommand();
std::unique_ptr<Command> MakeBenchCommand();

// All of them, in the order of --help.
std::vector<std::unique_ptr<Command>> AllCommands();

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_COMMANDS_H_
