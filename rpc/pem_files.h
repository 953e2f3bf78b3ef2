// Certificates and keys in PEM files, looked at before gRPC takes them: it says nothing of what it
// cannot use.
#ifndef ECF8_RPC_PEM_FILES_H_
#define ECF8_RPC_PEM_FILES_H_

#include <string>

#include "absl/status/status.h"

namespace ecf8 {

// How often gRPC looks whether files have changed.
inline constexpr unsigned kPemRefreshSeconds = 10;

// Each: INVALID_ARGUMENT where a file is not what it should be, which it names; of a file that
// cannot be opened, why.
absl::Status CheckCertificate(const std::string& path);
// A certificate and its own key, without a passphrase: nobody is there to be asked for it.
absl::Status CheckKeyPair(const std::string& certificate_path, const std::string& key_path);

}  // namespace ecf8

#endif  // ECF8_RPC_PEM_FILES_H_
