#include "rpc/server_credentials.h"

#include "decoder/status_macros.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "rpc/pem_files.h"

namespace ecf8 {

// gRPC says nothing of files that it cannot use: every handshake would fail.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const ServerTls& tls) {
  using grpc::experimental::FileWatcherCertificateProvider;
  ECF8_RETURN_IF_ERROR(CheckKeyPair(tls.certificate_path, tls.key_path));
  const bool asks_clients = !tls.client_ca_path.empty();
  if (asks_clients) ECF8_RETURN_IF_ERROR(CheckCertificate(tls.client_ca_path));
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<FileWatcherCertificateProvider>(tls.key_path, tls.certificate_path,
                                                       tls.client_ca_path, kPemRefreshSeconds));
  options.watch_identity_key_cert_pairs();
  if (asks_clients) options.watch_root_certs();
  options.set_cert_request_type(asks_clients
                                    ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                    : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return grpc::experimental::TlsServerCredentials(options);
}

}  // namespace ecf8
