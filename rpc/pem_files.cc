#include "rpc/pem_files.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
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

absl::StatusOr<std::string> ReadText(const std::string& path) {
  ECF8_ASSIGN_OR_RETURN(const File file, File::OpenForRead(path));
  ECF8_ASSIGN_OR_RETURN(const uint64_t size_bytes, file.SizeBytes());
  if (size_bytes > kMaxPemBytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": more than ", kMaxPemBytes, " bytes"));
  }
  std::string text(size_bytes, '\0');
  ECF8_RETURN_IF_ERROR(file.ReadAt(0, {reinterpret_cast<uint8_t*>(text.data()), text.size()}));
  return text;
}

// The first one. Null where there is none.
Certificate ParseCertificate(const std::string& text) {
  const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  Certificate certificate(bio == nullptr ? nullptr
                                         : PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return certificate;
}

Key ParseKey(const std::string& text) {
  const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  Key key(bio == nullptr ? nullptr
                         : PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  return key;
}

}  // namespace

absl::StatusOr<std::string> ReadCertificates(const std::string& path) {
  ECF8_ASSIGN_OR_RETURN(std::string text, ReadText(path));
  if (ParseCertificate(text) == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": no certificate in PEM"));
  }
  return text;
}

absl::StatusOr<PemPair> ReadKeyPair(const std::string& certificate_path,
                                    const std::string& key_path) {
  PemPair pair;
  ECF8_ASSIGN_OR_RETURN(pair.certificate, ReadCertificates(certificate_path));
  ECF8_ASSIGN_OR_RETURN(pair.key, ReadText(key_path));
  const Key key = ParseKey(pair.key);
  if (key == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(key_path, ": no private key in PEM without a passphrase"));
  }
  const Certificate certificate = ParseCertificate(pair.certificate);
  const bool is_its_own = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!is_its_own) {
    return absl::InvalidArgumentError(
        absl::StrCat(key_path, ": is not the key of ", certificate_path));
  }
  return pair;
}

}  // namespace ecf8
