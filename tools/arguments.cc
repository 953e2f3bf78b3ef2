#include "tools/arguments.h"

#include <algorithm>
#include <type_traits>

#include "CLI/CLI.hpp"
#include "rpc/status_table.h"
#include "tools/version.h"

namespace ecf8 {

Argument Argument::Required() {
  option_->required();
  return *this;
}

Argument Argument::Excludes(Argument other) {
  option_->excludes(other.option_);
  return *this;
}

Argument Argument::Range(int64_t min, int64_t max) {
  option_->check(CLI::Range(min, max));
  return *this;
}

Argument Argument::RealRange(double min, double max) {
  option_->check(CLI::Range(min, max));
  return *this;
}

Argument Argument::Positive() {
  option_->check(CLI::PositiveNumber);
  return *this;
}

Argument Argument::OneOf(std::vector<std::string> choices) {
  option_->check(CLI::IsMember(std::move(choices)))->capture_default_str();
  return *this;
}

bool Argument::given() const { return option_->count() > 0; }

template <typename T>
Argument Arguments::Add(const std::string& name, T& variable, const std::string& help) {
  if constexpr (std::is_same_v<T, bool>) {
    return Argument(app_->add_flag(name, variable, help));
  } else {
    CLI::Option* const option = app_->add_option(name, variable, help);
    // What follows `--flag value` is a positional argument, never a second value.
    if (!option->get_positional()) option->allow_extra_args(false);
    return Argument(option);
  }
}

template Argument Arguments::Add(const std::string&, bool&, const std::string&);
template Argument Arguments::Add(const std::string&, int&, const std::string&);
template Argument Arguments::Add(const std::string&, int64_t&, const std::string&);
template Argument Arguments::Add(const std::string&, uint32_t&, const std::string&);
template Argument Arguments::Add(const std::string&, uint64_t&, const std::string&);
template Argument Arguments::Add(const std::string&, double&, const std::string&);
template Argument Arguments::Add(const std::string&, std::string&, const std::string&);
template Argument Arguments::Add(const std::string&, std::vector<uint32_t>&, const std::string&);
template Argument Arguments::Add(const std::string&, std::vector<uint64_t>&, const std::string&);
template Argument Arguments::Add(const std::string&, std::vector<std::string>&, const std::string&);

Argument Arguments::AddSize(const std::string& name, uint64_t& size_bytes,
                            const std::string& help) {
  constexpr bool kKbIs1000 = true;
  const Argument argument = Add(name, size_bytes, help);
  app_->get_option(name)->transform(CLI::AsSizeValue(kKbIs1000));
  return argument;
}

Argument Arguments::AddNamed(const std::string& name, const std::string& help,
                             std::vector<std::string> choices,
                             std::function<void(size_t index)> set) {
  const auto choose = [choices, set](const std::string& value) {
    set(static_cast<size_t>(std::find(choices.begin(), choices.end(), value) - choices.begin()));
  };
  return Argument(app_->add_option_function<std::string>(name, choose, help)
                      ->check(CLI::IsMember(std::move(choices))));
}

Arguments Arguments::AddSubcommand(std::string_view name, std::string_view summary) {
  app_->require_subcommand(1);
  CLI::App* const subcommand = app_->add_subcommand(std::string(name), std::string(summary));
  subcommand->fallthrough();
  return Arguments(subcommand);
}

bool Arguments::given() const { return app_->parsed(); }

CommandLine::CommandLine(const std::string& program, const std::string& summary)
    : app_(std::make_unique<CLI::App>(summary, program)) {
  app_->set_version_flag("--version", program + " " + std::string(kVersion));
}

CommandLine::~CommandLine() = default;

Arguments CommandLine::arguments() { return Arguments(app_.get()); }

std::optional<int> CommandLine::Parse(int argc, char** argv) {
  try {
    app_->parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // CLI11 has no other way to tell; --help comes here too
    return app_->exit(error) == 0 ? kExitDone : kExitWrongUsage;
  }
  return std::nullopt;
}

}  // namespace ecf8
