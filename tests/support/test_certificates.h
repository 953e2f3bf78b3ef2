// Certificates for tests, made when they are asked for.
#ifndef ECF8_TESTS_SUPPORT_TEST_CERTIFICATES_H_
#define ECF8_TESTS_SUPPORT_TEST_CERTIFICATES_H_

#include <string>

namespace ecf8::testing {

// In PEM.
struct TestCertificate {
  std::string certificate;
  std::string key;
};

// A certificate authority, signed by itself.
TestCertificate MakeCa(const std::string& name);

// For localhost, signed by `ca`; valid from two days ago until so many days from now.
TestCertificate MakeCertificate(const TestCertificate& ca, const std::string& name,
                                int valid_days = 1);

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_TEST_CERTIFICATES_H_
