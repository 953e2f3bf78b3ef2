// Command lines of the programs: arguments and flags bound to variables. CLI11 does the work, and
// is seen in arguments.cc alone: its headers take longer to compile than any of our commands.
//
//   CommandLine command_line("ecf8_bench_rpc", "Fetches a model over a Unix socket.");
//   Arguments arguments = command_line.arguments();
//   arguments.Add("MODEL", model, "a compressed model").Required();
//   arguments.Add("--runs", runs, "of each; the median counts").Range(1, 99);
//   if (const std::optional<int> exit_status = command_line.Parse(argc, argv)) return *exit_status;
//
// Argument and Arguments are handles, copied freely and valid as long as their CommandLine. The
// variables must outlive its Parse, which writes those that are given and leaves the others as they
// are.
#ifndef ECF8_TOOLS_ARGUMENTS_H_
#define ECF8_TOOLS_ARGUMENTS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace ecf8 {

// One argument or flag.
class Argument {
 public:
  explicit Argument(CLI::Option* option) : option_(option) {}

  Argument Required();
  Argument Excludes(Argument other);
  // What Parse accepts, the bounds included.
  Argument Range(int64_t min, int64_t max);
  Argument RealRange(double min, double max);
  Argument Positive();
  Argument OneOf(std::vector<std::string> choices);

  bool given() const;

 private:
  CLI::Option* option_;
};

// Those of a program, or of one of its subcommands.
class Arguments {
 public:
  explicit Arguments(CLI::App* app) : app_(app) {}

  // `name`: "--flag", or "ARGUMENT" for a positional one. A bool is a flag without a value, which
  // "!--flag" sets to false. A vector takes all that is left where it is positional, and otherwise
  // one value each time its flag is given. T: bool, int, int64_t, uint32_t, uint64_t, double,
  // std::string, or a vector of one of the last five.
  template <typename T>
  Argument Add(const std::string& name, T& variable, const std::string& help);

  // Bytes: a number that may have a unit, as in 64MB (10^6) or 1GiB (2^30).
  Argument AddSize(const std::string& name, uint64_t& size_bytes, const std::string& help);

  // One of `choices`, by its name.
  template <typename Enum>
  Argument AddChoice(const std::string& name, Enum& variable, const std::string& help,
                     std::vector<std::pair<std::string, Enum>> choices) {
    std::vector<std::string> names;
    for (const auto& choice : choices) names.push_back(choice.first);
    return AddNamed(name, help, std::move(names),
                    [&variable, choices](size_t index) { variable = choices[index].second; });
  }

  // One subcommand must be given where there are any. Flags of ours that it does not know may stand
  // behind it, too.
  Arguments AddSubcommand(std::string_view name, std::string_view summary);

  bool given() const;  // of a subcommand: it is the one

 private:
  Argument AddNamed(const std::string& name, const std::string& help,
                    std::vector<std::string> choices, std::function<void(size_t index)> set);

  CLI::App* app_;
};

class CommandLine {
 public:
  // With --help and --version.
  CommandLine(const std::string& program, const std::string& summary);
  ~CommandLine();

  Arguments arguments();

  // nullopt, or the exit status with which to stop: 0 after --help and --version, 2 for wrong
  // usage. What is to be said has been said.
  std::optional<int> Parse(int argc, char** argv);

 private:
  const std::unique_ptr<CLI::App> app_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ARGUMENTS_H_
