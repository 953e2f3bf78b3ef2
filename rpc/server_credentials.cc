#include "rpc/server_credentials.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "loader/base/file.h"

namespace ecf8 {
namespace {

constexpr unsigned kRefreshSeconds = 10;

template <typename T, void (*kFree)(T*)>
struct Free {
  void operator()(T* object) const { kFree(object); }
};
using Certificate = std::unique_ptr<X509, Free<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY, EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO, BIO_free_all>>;

// A key with a passphrase is refused: nobody is there to be asked for it.
int NoPassphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*user*/) { return -1; }

absl::StatusOr<Certificate> ReadCertificate(const std::string& path) {
  ECF8_RETURN_IF_ERROR(File::OpenForRead(path).status());
  const Bio bio(BIO_new_file(path.c_str(), "r"));
  Certificate certificate(bio == nullptr ? nullptr
                                         : PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (certificate == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": no certificate in PEM"));
  }
  return certificate;
}

absl::StatusOr<Key> ReadKey(const std::string& path) {
  ECF8_RETURN_IF_ERROR(File::OpenForRead(path).status());
  const Bio bio(BIO_new_file(path.c_str(), "r"));
  Key key(bio == nullptr ? nullptr
                         : PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  if (key == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": no private key in PEM without a passphrase"));
  }
  return key;
}

}  // namespace

// gRPC says nothing of files that it cannot use: every handshake would fail.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const ServerTls& tls) {
  using grpc::experimental::FileWatcherCertificateProvider;
  ECF8_ASSIGN_OR_RETURN(const Certificate certificate, ReadCertificate(tls.certificate_path));
  ECF8_ASSIGN_OR_RETURN(const Key key, ReadKey(tls.key_path));
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError(
        absl::StrCat(tls.key_path, ": is not the key of ", tls.certificate_path));
  }
  const bool asks_clients = !tls.client_ca_path.empty();
  if (asks_clients) ECF8_RETURN_IF_ERROR(ReadCertificate(tls.client_ca_path).status());
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<FileWatcherCertificateProvider>(tls.key_path, tls.certificate_path,
                                                       tls.client_ca_path, kRefreshSeconds));
  options.watch_identity_key_cert_pairs();
  if (asks_clients) options.watch_root_certs();
  options.set_cert_request_type(asks_clients
                                    ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                    : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return grpc::experimental::TlsServerCredentials(options);
}

}  // namespace ecf8
