// What a subcommand of `ecf8` is. One file a subcommand; commands.h lists them all.
//
//   class VerifyCommand : public Command {
//    public:
//     std::string_view name() const override { return "verify"; }
//     std::string_view summary() const override { return "check every checksum of a model"; }
//     void AddArguments(Arguments arguments) override {
//       arguments.Add("DIR", directory_, "the compressed model").Required();
//     }
//     absl::Status Run(const CommandContext& context) override;
//   };
//   std::unique_ptr<Command> MakeVerifyCommand() { return std::make_unique<VerifyCommand>(); }
//
// Results go to stdout: text for people, or with --json (every command has it) one JSON document by
// PrintJson. Progress and errors go to stderr; the error of a failed Run is printed by the
// framework and must not be printed twice. A command that found fault (verify) prints its report as
// a result and then returns a non-OK Status. Exit statuses: 0 done, 1 failed, 2 wrong usage (bad
// flags, or a Run that returned UsageError).
#ifndef ECF8_TOOLS_ECF8_COMMAND_H_
#define ECF8_TOOLS_ECF8_COMMAND_H_

#include <atomic>
#include <stop_token>
#include <string_view>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"
#include "tools/arguments.h"

namespace ecf8 {

// What the framework gives to every command.
struct CommandContext {
  bool json = false;                          // --json was given
  const std::atomic<bool>* cancel = nullptr;  // set by the first ^C (SIGINT) or SIGTERM; never
                                              // null. A second one kills the process.
  std::stop_token stop{};                     // the same, for what waits
};

class Command {
 public:
  Command() = default;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  virtual ~Command() = default;

  virtual std::string_view name() const = 0;
  virtual std::string_view summary() const = 0;  // one line, for --help

  // Adds the command's own arguments and flags to `arguments`; they are bound to members of this
  // object.
  // `--json` is already there.
  virtual void AddArguments(Arguments arguments) = 0;

  // Called once, after parsing.
  virtual absl::Status Run(const CommandContext& context) = 0;
};

// An error that makes the program exit with 2: flags that do not go together.
absl::Status UsageError(std::string_view message);
bool IsUsageError(const absl::Status& status);

// Writes one JSON document and a newline to stdout. Bytes that are not UTF-8 are replaced.
void PrintJson(const nlohmann::ordered_json& document);

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_COMMAND_H_
