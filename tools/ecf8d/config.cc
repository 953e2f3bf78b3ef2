#include "tools/ecf8d/config.h"

#include <algorithm>

#include "absl/status/statusor.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "rpc/address.h"

namespace ecf8 {

absl::Span<const Setting> AllSettings() {
  static const std::vector<Setting>* const settings = new std::vector<Setting>{
      {"model-dir",
       "a compressed model, or a directory whose children are such; may be given again",
       &DaemonConfig::model_dirs},
      {"listen",
       "unix:PATH or HOST:PORT; default unix:$XDG_RUNTIME_DIR/ecf8/ecf8d.sock, or else "
       "unix:/tmp/ecf8-$UID/ecf8d.sock",
       &DaemonConfig::listen},
      {"insecure", "allow HOST:PORT, which has no encryption and no authentication yet",
       &DaemonConfig::insecure},
      {"log-level",
       "the least level that is logged",
       &DaemonConfig::log_level,
       0,
       0,
       {"trace", "debug", "info", "warn", "error", "off"}},
      {"log-format",
       "of the log, which goes to stderr",
       &DaemonConfig::log_format,
       0,
       0,
       {"text", "json"}},
      {"threads", "that read and decode; 0: one a core", &DaemonConfig::threads, 0, 1024},
      {"max-streams", "fetches served at once", &DaemonConfig::max_streams, 1, 65536},
      {"drain-timeout-ms", "how long fetches may go on after SIGTERM",
       &DaemonConfig::drain_timeout_ms, 0, 86'400'000},
  };
  return *settings;
}

void CopySetting(const Setting& setting, const DaemonConfig& from, DaemonConfig* to) {
  std::visit([&](auto member) { to->*member = from.*member; }, setting.member);
}

absl::Status CheckSetting(const Setting& setting, const DaemonConfig& config) {
  const std::string name = setting.name;
  if (const auto* number = std::get_if<int64_t DaemonConfig::*>(&setting.member)) {
    const int64_t value = config.*(*number);
    if (value >= setting.min && value <= setting.max) return absl::OkStatus();
    return absl::InvalidArgumentError(name + ": " + std::to_string(value) + " is not from " +
                                      std::to_string(setting.min) + " to " +
                                      std::to_string(setting.max));
  }
  const auto* text = std::get_if<std::string DaemonConfig::*>(&setting.member);
  if (text == nullptr || setting.choices.empty()) return absl::OkStatus();
  const std::string& value = config.*(*text);
  const auto& choices = setting.choices;
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return absl::OkStatus();
  std::string all;
  for (const std::string& choice : choices) all += (all.empty() ? "" : ", ") + choice;
  return absl::InvalidArgumentError(name + ": " + Quoted(value) + " is none of " + all);
}

absl::Status CheckConfig(const DaemonConfig& config) {
  if (config.model_dirs.empty()) {
    return absl::InvalidArgumentError("no model: give at least one --model-dir DIR");
  }
  if (config.listen.empty()) return absl::OkStatus();
  ECF8_ASSIGN_OR_RETURN(const Address address, ParseAddress(config.listen));
  if (!address.is_unix() && !config.insecure) {
    return absl::InvalidArgumentError(
        "--listen " + address.ToString() +
        ": TCP is neither encrypted nor authenticated yet, so it needs --insecure too");
  }
  return absl::OkStatus();
}

}  // namespace ecf8
