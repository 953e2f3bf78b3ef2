#include "tools/ecf8/commands.h"

namespace ecf8 {

std::vector<std::unique_ptr<Command>> AllCommands() {
  std::vector<std::unique_ptr<Command>> commands;
  commands.push_back(MakeCompressCommand());
  commands.push_back(MakeDecompressCommand());
  commands.push_back(MakeVerifyCommand());
  commands.push_back(MakeInspectCommand());
  commands.push_back(MakePullCommand());
  commands.push_back(MakeModelsCommand());
  commands.push_back(MakeAddCommand());
  commands.push_back(MakeRemoveCommand());
  commands.push_back(MakeUnitsCommand());
  commands.push_back(MakeFetchCommand());
  commands.push_back(MakePreloadCommand());
  commands.push_back(MakePinCommand());
  commands.push_back(MakeUnpinCommand());
  commands.push_back(MakeEvictCommand());
  commands.push_back(MakeStatusCommand());
  commands.push_back(MakeTraceCommand());
  commands.push_back(MakeTokenCommand());
  commands.push_back(MakeAnalyzeCommand());
  commands.push_back(MakePlanCommand());
  commands.push_back(MakeBenchCommand());
  return commands;
}

}  // namespace ecf8
