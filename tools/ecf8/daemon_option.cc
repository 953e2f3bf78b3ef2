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
                "unix:PATH, HOST:PORT or tls:HOST:PORT; default $ECF8_DAEMON, or else the user's "
                "socket");
  arguments.Add("--tls-ca", credentials_.ca_path,
                "in PEM: who may have signed the daemon's certificate; default $ECF8_TLS_CA, or "
                "else whom the system believes");
  arguments.Add("--tls-cert", credentials_.certificate_path,
                "in PEM: this client's certificate; default $ECF8_TLS_CERT, or else none");
  arguments.Add("--tls-key", credentials_.key_path, "its key; default $ECF8_TLS_KEY");
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
  return WeightClient::Connect(address, kConnectTimeout, context.stop,
                               credentials_.OrFromEnvironment());
}

}  // namespace ecf8
