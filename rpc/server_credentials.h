// How the daemon shows who it is over TCP, and whom it believes.
#ifndef ECF8_RPC_SERVER_CREDENTIALS_H_
#define ECF8_RPC_SERVER_CREDENTIALS_H_

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/security/server_credentials.h"

namespace ecf8 {

// PEM files; the chain begins with the server's own certificate.
struct ServerTls {
  std::string certificate_path{};  // empty: no TLS
  std::string key_path{};
  std::string client_ca_path{};  // empty: clients need no certificate
  // How often they are looked at, at most.
  std::chrono::milliseconds refresh_interval{1000};

  bool enabled() const { return !certificate_path.empty(); }
};

// TLS 1.2 or later. Where `client_ca_path` is set, a client without a certificate that it has
// signed is refused in the handshake. When a connection begins, files that have changed are read
// again; where they are not good, or do not fit each other yet, those before stay, and the log says
// so. INVALID_ARGUMENT where they are not what they should be, or the key is not the certificate's;
// errors name the file.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const ServerTls& tls);

}  // namespace ecf8

#endif  // ECF8_RPC_SERVER_CREDENTIALS_H_
