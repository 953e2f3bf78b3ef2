#include "tools/ecf8/daemon_option.h"

#include <chrono>
#include <cstdlib>

#include "loader/base/strings.h"
#include "rpc/address.h"
#include "rpc/grpc_log.h"

namespace ecf8 {
namespace {

constexpr std::chrono::seconds kConnectTimeout(5);

}  // namespace

void DaemonOption::AddTo(Arguments arguments) {
  arguments.Add("--daemon", address_,
                "unix:PATH or HOST:PORT; default $ECF8_DAEMON, or else the user's socket");
}

absl::StatusOr<std::unique_ptr<WeightClient>> DaemonOption::Connect(
    const CommandContext& context) const {
  std::string text = address_;
  if (const char* const variable = std::getenv("ECF8_DAEMON");
      text.empty() && variable != nullptr) {
    text = variable;
  }
  Address address = DefaultAddress();
  if (!text.empty()) {
    absl::StatusOr<Address> parsed = ParseAddress(text);
    if (!parsed.ok()) return UsageError(ToStd(parsed.status().message()));
    address = *std::move(parsed);
  }
  SilenceGrpcLog();
  return WeightClient::Connect(address, kConnectTimeout, context.stop);
}

}  // namespace ecf8
