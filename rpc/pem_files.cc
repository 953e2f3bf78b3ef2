#include "rpc/pem_files.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"

namespace ecf8 {
namespace {

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

absl::Status CheckCertificate(const std::string& path) { return ReadCertificate(path).status(); }

absl::Status CheckKeyPair(const std::string& certificate_path, const std::string& key_path) {
  ECF8_ASSIGN_OR_RETURN(const Certificate certificate, ReadCertificate(certificate_path));
  ECF8_ASSIGN_OR_RETURN(const Key key, ReadKey(key_path));
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError(
        absl::StrCat(key_path, ": is not the key of ", certificate_path));
  }
  return absl::OkStatus();
}

}  // namespace ecf8
