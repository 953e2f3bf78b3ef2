#include "tests/support/test_certificates.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <memory>

namespace ecf8::testing {
namespace {

constexpr long kDaySeconds = 86'400;

template <typename T, void (*kFree)(T*)>
struct Free {
  void operator()(T* object) const { kFree(object); }
};
using Certificate = std::unique_ptr<X509, Free<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY, EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO, BIO_free_all>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION, X509_EXTENSION_free>>;

std::string Contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

void AddExtension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  X509_add_ext(certificate, extension.get(), -1);
}

// `ca` may be null: it signs itself.
TestCertificate Make(const TestCertificate* ca, const std::string& name, int valid_days) {
  static std::atomic<long> serial = 1;
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate(X509_new());
  X509* const raw = certificate.get();
  X509_set_version(raw, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(raw), serial++);
  X509_gmtime_adj(X509_getm_notBefore(raw), -2 * kDaySeconds);
  X509_gmtime_adj(X509_getm_notAfter(raw), valid_days * kDaySeconds);
  X509_set_pubkey(raw, key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(raw), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  Certificate issuer;
  Key issuer_key;
  if (ca != nullptr) {
    const Bio certificate_bio(BIO_new_mem_buf(ca->certificate.data(), -1));
    const Bio key_bio(BIO_new_mem_buf(ca->key.data(), -1));
    issuer.reset(PEM_read_bio_X509(certificate_bio.get(), nullptr, nullptr, nullptr));
    issuer_key.reset(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
    AddExtension(raw, issuer.get(), NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
  } else {
    AddExtension(raw, raw, NID_basic_constraints, "critical,CA:TRUE");
  }
  X509_set_issuer_name(raw, X509_get_subject_name(ca == nullptr ? raw : issuer.get()));
  X509_sign(raw, ca == nullptr ? key.get() : issuer_key.get(), EVP_sha256());

  const Bio certificate_out(BIO_new(BIO_s_mem()));
  const Bio key_out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(certificate_out.get(), raw);
  PEM_write_bio_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return {.certificate = Contents(certificate_out.get()), .key = Contents(key_out.get())};
}

}  // namespace

TestCertificate MakeCa(const std::string& name) { return Make(nullptr, name, 1); }

TestCertificate MakeCertificate(const TestCertificate& ca, const std::string& name,
                                int valid_days) {
  return Make(&ca, name, valid_days);
}

}  // namespace ecf8::testing
