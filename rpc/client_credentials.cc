#include "rpc/client_credentials.h"

#include "decoder/status_macros.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "loader/base/environment.h"
#include "rpc/pem_files.h"

namespace ecf8 {
namespace {

constexpr size_t kMaxTokenBytes = 4096;
// How often gRPC looks whether files have changed.
constexpr unsigned kPemRefreshSeconds = 10;

// What a header may hold; gRPC would fail each call without saying why.
absl::Status CheckToken(const std::string& token) {
  bool good = token.size() <= kMaxTokenBytes;
  for (const char c : token) good = good && c > ' ' && c <= '~';
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "a token has at most 4096 printable characters, and no spaces: there may be a line's end in "
      "it");
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> TlsCredentialsOf(
    const ClientCredentials& credentials) {
  using grpc::experimental::FileWatcherCertificateProvider;
  const bool has_ca = !credentials.ca_path.empty();
  const bool has_certificate = !credentials.certificate_path.empty();
  if (has_certificate == credentials.key_path.empty()) {
    return absl::InvalidArgumentError("a client's certificate and its key: give both, or none");
  }
  if (has_ca) ECF8_RETURN_IF_ERROR(ReadCertificates(credentials.ca_path).status());
  if (has_certificate) {
    ECF8_RETURN_IF_ERROR(ReadKeyPair(credentials.certificate_path, credentials.key_path).status());
  }
  // gRPC 1.51 frees them with the credentials that are made of them, and only then.
  grpc::experimental::TlsChannelCredentialsOptions options;
  if (has_ca || has_certificate) {
    options.set_certificate_provider(std::make_shared<FileWatcherCertificateProvider>(
        credentials.key_path, credentials.certificate_path, credentials.ca_path,
        kPemRefreshSeconds));
  }
  if (has_ca) options.watch_root_certs();
  if (has_certificate) options.watch_identity_key_cert_pairs();
  return grpc::experimental::TlsCredentials(options);
}

}  // namespace

ClientCredentials ClientCredentials::OrFromEnvironment() const {
  ClientCredentials all = *this;
  if (all.ca_path.empty()) all.ca_path = Environment("ECF8_TLS_CA");
  if (all.certificate_path.empty() && all.key_path.empty()) {
    all.certificate_path = Environment("ECF8_TLS_CERT");
    all.key_path = Environment("ECF8_TLS_KEY");
  }
  if (all.token.empty()) all.token = Environment("ECF8_TOKEN");
  return all;
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(
    const Address& address, const ClientCredentials& credentials) {
  if (!address.tls) return grpc::InsecureChannelCredentials();
  ECF8_RETURN_IF_ERROR(CheckToken(credentials.token));
  ECF8_ASSIGN_OR_RETURN(std::shared_ptr<grpc::ChannelCredentials> channel,
                        TlsCredentialsOf(credentials));
  if (credentials.token.empty()) return channel;
  return grpc::CompositeChannelCredentials(channel,
                                           grpc::AccessTokenCredentials(credentials.token));
}

}  // namespace ecf8
