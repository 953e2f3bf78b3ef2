// How a client makes sure over TCP that it speaks to its daemon, and shows who it is itself.
#ifndef ECF8_RPC_CLIENT_CREDENTIALS_H_
#define ECF8_RPC_CLIENT_CREDENTIALS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/security/credentials.h"
#include "rpc/address.h"

namespace ecf8 {

struct ClientCredentials {
  std::string ca_path{};           // PEM; empty: those whom the system believes
  std::string certificate_path{};  // PEM, the chain begins with the client's own; empty: none
  std::string key_path{};          // PEM
  std::string token{};             // empty: none

  // What is empty here and set in the environment: ECF8_TLS_CA, ECF8_TLS_CERT, ECF8_TLS_KEY,
  // ECF8_TOKEN. A certificate goes with its key: both are taken, or none.
  ClientCredentials OrFromEnvironment() const;
};

// For a channel to `address`. Where that is no "tls:" one, nothing is encrypted, and nothing of
// `credentials` is used or looked at: a token never travels in the clear. With TLS the daemon's
// certificate has to name the host. Files that change are read again within ten seconds, for
// connections to come.
// INVALID_ARGUMENT for files that are not what they should be, or for a token of other than 1 to
// 4096 printable characters without spaces; errors name the file, and never hold the token.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(
    const Address& address, const ClientCredentials& credentials);

}  // namespace ecf8

#endif  // ECF8_RPC_CLIENT_CREDENTIALS_H_
