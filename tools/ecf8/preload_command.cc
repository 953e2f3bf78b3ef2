#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "tools/ecf8/commands.h"
#include "tools/ecf8/daemon_option.h"
#include "tools/ecf8/progress.h"
#include "tools/ecf8/text.h"
#include "tools/ecf8/tier_units.h"

namespace ecf8 {
namespace {

class PreloadCommand final : public Command {
 public:
  std::string_view name() const override { return "preload"; }
  std::string_view summary() const override {
    return "bring a model, or units of it, into the daemon's memory";
  }
  void AddArguments(Arguments arguments) override {
    units_.AddTo(arguments);
    arguments.Add("--pin", pin_, "and keep them there, until `ecf8 unpin`");
    daemon_.AddTo(arguments);
  }

  absl::Status Run(const CommandContext& context) override {
    ECF8_ASSIGN_OR_RETURN(const auto client, daemon_.Connect(context));
    v1::PreloadRequest request;
    *request.mutable_units() = units_.ToProto();
    request.set_pin(pin_);
    ProgressReporter progress("preload");
    const auto end = client->Preload(request, [&](const v1::PreloadProgress& p) {
      // Of what was not there.
      progress.Update(p.bytes_loaded(), p.bytes_loaded() + p.bytes() - p.bytes_done());
    });
    progress.Finish();
    ECF8_RETURN_IF_ERROR(end.status());
    context.json ? PrintJson(ToJson(*end)) : PrintText(*end);
    if (end->units_not_kept() == 0) return absl::OkStatus();
    return absl::ResourceExhaustedError(
        std::to_string(end->units_not_kept()) + " of " + std::to_string(end->units()) +
        " units did not stay, " + FormatBytes(end->bytes_not_kept()) +
        ": clients use the memory; --pin makes them give way, `ecf8 evict` makes room");
  }

 private:
  nlohmann::ordered_json ToJson(const v1::PreloadProgress& end) const {
    return {{"model", units_.model()},
            {"tier", units_.tier()},
            {"pinned", pin_},
            {"units", end.units()},
            {"units_not_kept", end.units_not_kept()},
            {"bytes", end.bytes()},
            {"bytes_not_kept", end.bytes_not_kept()},
            {"bytes_loaded", end.bytes_loaded()},
            {"seconds", static_cast<double>(end.elapsed_ms()) / 1000},
            {"gb_per_second", static_cast<double>(end.bytes_per_second()) / 1e9}};
  }

  void PrintText(const v1::PreloadProgress& end) const {
    const double seconds = static_cast<double>(end.elapsed_ms()) / 1000;
    std::printf("%s: %llu of %llu units, %s, are %s%s; %s loaded in %s, %s\n",
                Printable(units_.model()).c_str(),
                static_cast<unsigned long long>(end.units() - end.units_not_kept()),
                static_cast<unsigned long long>(end.units()),
                FormatBytes(end.bytes() - end.bytes_not_kept()).c_str(), units_.Where().c_str(),
                pin_ ? " and pinned" : "", FormatBytes(end.bytes_loaded()).c_str(),
                FormatSeconds(seconds).c_str(), FormatRate(end.bytes_loaded(), seconds).c_str());
  }

  TierUnits units_{/*every_tier=*/false};
  bool pin_ = false;
  DaemonOption daemon_;
};

}  // namespace

std::unique_ptr<Command> MakePreloadCommand() { return std::make_unique<PreloadCommand>(); }

}  // namespace ecf8
