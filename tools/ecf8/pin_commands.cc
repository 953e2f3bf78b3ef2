// `ecf8 pin`, `unpin` and `evict`.
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "decoder/status_macros.h"
#include "tools/ecf8/commands.h"
#include "tools/ecf8/daemon_option.h"
#include "tools/ecf8/text.h"
#include "tools/ecf8/tier_units.h"

namespace ecf8 {
namespace {

// What is left as it was, if there is any: "; WHAT: 3 units, 12 MB".
std::string LeftText(const char* what, const v1::UnitTotals& totals) {
  return totals.units() == 0 ? std::string() : std::string("; ") + what + ": " + TotalsText(totals);
}

class PinCommand final : public Command {
 public:
  std::string_view name() const override { return "pin"; }
  std::string_view summary() const override {
    return "keep units in memory when they are there, or have come";
  }
  void AddArguments(Arguments arguments) override {
    units_.AddTo(arguments);
    daemon_.AddTo(arguments);
  }

  absl::Status Run(const CommandContext& context) override {
    ECF8_ASSIGN_OR_RETURN(const auto client, daemon_.Connect(context));
    ECF8_ASSIGN_OR_RETURN(const v1::PinResponse response, client->Pin(units_.ToProto()));
    if (context.json) {
      PrintJson({{"model", units_.model()},
                 {"tier", units_.tier()},
                 {"pinned", TotalsJson(response.pinned())}});
      return absl::OkStatus();
    }
    std::printf("%s: pinned %s: %s more\n", Printable(units_.model()).c_str(),
                units_.Where().c_str(), TotalsText(response.pinned()).c_str());
    return absl::OkStatus();
  }

 private:
  TierUnits units_{/*every_tier=*/false};
  DaemonOption daemon_;
};

class UnpinCommand final : public Command {
 public:
  std::string_view name() const override { return "unpin"; }
  std::string_view summary() const override { return "end what `ecf8 pin` began"; }
  void AddArguments(Arguments arguments) override {
    units_.AddTo(arguments);
    daemon_.AddTo(arguments);
  }

  absl::Status Run(const CommandContext& context) override {
    ECF8_ASSIGN_OR_RETURN(const auto client, daemon_.Connect(context));
    ECF8_ASSIGN_OR_RETURN(const v1::UnpinResponse response, client->Unpin(units_.ToProto()));
    if (context.json) {
      PrintJson({{"model", units_.model()},
                 {"tier", units_.tier()},
                 {"unpinned", TotalsJson(response.unpinned())},
                 {"held", TotalsJson(response.held())}});
      return absl::OkStatus();
    }
    std::printf(
        "%s: unpinned %s: %s%s\n", Printable(units_.model()).c_str(), units_.Where().c_str(),
        TotalsText(response.unpinned()).c_str(),
        LeftText("pinned until resident sessions and preloads end", response.held()).c_str());
    return absl::OkStatus();
  }

 private:
  TierUnits units_{/*every_tier=*/true};
  DaemonOption daemon_;
};

class EvictCommand final : public Command {
 public:
  std::string_view name() const override { return "evict"; }
  std::string_view summary() const override {
    return "give up the memory of units that nobody uses";
  }
  void AddArguments(Arguments arguments) override {
    units_.AddTo(arguments);
    daemon_.AddTo(arguments);
  }

  absl::Status Run(const CommandContext& context) override {
    ECF8_ASSIGN_OR_RETURN(const auto client, daemon_.Connect(context));
    ECF8_ASSIGN_OR_RETURN(const v1::EvictResponse response, client->Evict(units_.ToProto()));
    if (context.json) {
      PrintJson({{"model", units_.model()},
                 {"tier", units_.tier()},
                 {"freed", TotalsJson(response.freed())},
                 {"in_use", TotalsJson(response.in_use())},
                 {"pinned", TotalsJson(response.pinned())}});
      return absl::OkStatus();
    }
    std::printf("%s: evicted %s: %s%s%s\n", Printable(units_.model()).c_str(),
                units_.Where().c_str(), TotalsText(response.freed()).c_str(),
                LeftText("in use", response.in_use()).c_str(),
                LeftText("pinned", response.pinned()).c_str());
    return absl::OkStatus();
  }

 private:
  TierUnits units_{/*every_tier=*/true};
  DaemonOption daemon_;
};

}  // namespace

std::unique_ptr<Command> MakePinCommand() { return std::make_unique<PinCommand>(); }
std::unique_ptr<Command> MakeUnpinCommand() { return std::make_unique<UnpinCommand>(); }
std::unique_ptr<Command> MakeEvictCommand() { return std::make_unique<EvictCommand>(); }

}  // namespace ecf8
