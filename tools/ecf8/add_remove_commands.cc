#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "tools/ecf8/commands.h"
#include "tools/ecf8/daemon_option.h"
#include "tools/ecf8/text.h"
#include "tools/ecf8/wire_json.h"

namespace ecf8 {
namespace {

// `ecf8 add` and `ecf8 remove`: each of a model that is named.
class ModelCommand : public Command {
 public:
  void AddArguments(Arguments arguments) override {
    arguments.Add("MODEL", model_, Help()).Required();
    arguments.Add("--digest", digest_, "refuse where the model's digest is another");
    daemon_.AddTo(arguments);
  }

  absl::Status Run(const CommandContext& context) override {
    ECF8_ASSIGN_OR_RETURN(const auto client, daemon_.Connect(context));
    ECF8_ASSIGN_OR_RETURN(const v1::Model model, Ask(*client, model_, digest_));
    if (context.json) {
      PrintJson(ToJson(model));
    } else {
      std::printf("%s %s: %u units, %s, digest %s\n", Done(), Printable(model.name()).c_str(),
                  model.unit_count(), FormatBytes(model.stored_size_bytes()).c_str(),
                  Printable(model.digest()).c_str());
    }
    return absl::OkStatus();
  }

 private:
  virtual const char* Help() const = 0;
  virtual const char* Done() const = 0;
  virtual absl::StatusOr<v1::Model> Ask(WeightClient& client, const std::string& model,
                                        const std::string& digest) const = 0;

  std::string model_;
  std::string digest_;
  DaemonOption daemon_;
};

class AddCommand final : public ModelCommand {
 public:
  std::string_view name() const override { return "add"; }
  std::string_view summary() const override {
    return "have the daemon serve a model of its model roots";
  }

 private:
  const char* Help() const override { return "the name of its directory in a model root"; }
  const char* Done() const override { return "added"; }
  absl::StatusOr<v1::Model> Ask(WeightClient& client, const std::string& model,
                                const std::string& digest) const override {
    return client.AddModel(model, digest);
  }
};

class RemoveCommand final : public ModelCommand {
 public:
  std::string_view name() const override { return "remove"; }
  std::string_view summary() const override { return "have the daemon serve a model no more"; }

 private:
  const char* Help() const override { return "its name"; }
  const char* Done() const override { return "removed"; }
  absl::StatusOr<v1::Model> Ask(WeightClient& client, const std::string& model,
                                const std::string& digest) const override {
    return client.RemoveModel(model, digest);
  }
};

}  // namespace

std::unique_ptr<Command> MakeAddCommand() { return std::make_unique<AddCommand>(); }
std::unique_ptr<Command> MakeRemoveCommand() { return std::make_unique<RemoveCommand>(); }

}  // namespace ecf8
