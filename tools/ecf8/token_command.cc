#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "loader/base/strings.h"
#include "rpc/token_table.h"
#include "tools/ecf8/commands.h"
#include "tools/ecf8/text.h"

namespace ecf8 {
namespace {

class TokenCommand final : public Command {
 public:
  std::string_view name() const override { return "token"; }
  std::string_view summary() const override {
    return "make a token for clients, and its line for the daemon's token-file";
  }
  void AddArguments(Arguments arguments) override {
    arguments.Add("NAME", name_, "whose it is, for the daemon's log").Required();
    arguments.Add("--scopes", scopes_, "of read, preload and admin, with commas; default read");
    arguments.Add("--models", models_, "that it may see, with commas; default '*', all");
  }

  // The token is nowhere else: what the daemon knows is its hash.
  absl::Status Run(const CommandContext& context) override {
    const absl::StatusOr<NewToken> made = MakeToken(name_, scopes_, models_);
    if (absl::IsInvalidArgument(made.status())) {
      return UsageError(ToStd(made.status().message()));
    }
    if (!made.ok()) return made.status();
    if (context.json) {
      PrintJson({{"token", made->token}, {"line", made->line}});
      return absl::OkStatus();
    }
    std::printf("token, for the client (ECF8_TOKEN); it is not shown again:\n%s\n",
                made->token.c_str());
    std::printf("line, for the daemon's token-file:\n%s\n", made->line.c_str());
    return absl::OkStatus();
  }

 private:
  std::string name_;
  std::string scopes_ = "read";
  std::string models_ = "*";
};

}  // namespace

std::unique_ptr<Command> MakeTokenCommand() { return std::make_unique<TokenCommand>(); }

}  // namespace ecf8
