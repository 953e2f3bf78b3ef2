// Certificates and keys in PEM files, looked at before gRPC takes them: it says nothing of what it
// cannot use, or ends the process.
#ifndef ECF8_RPC_PEM_FILES_H_
#define ECF8_RPC_PEM_FILES_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ecf8 {

// Of one file.
inline constexpr size_t kMaxPemBytes = size_t{1} << 20;

// A certificate, with what it is signed by behind it, and its own key.
struct PemPair {
  std::string certificate{};
  std::string key{};

  bool operator==(const PemPair&) const = default;
};

// What the files hold. Each: INVALID_ARGUMENT where a file is not what it should be, which it
// names; of a file that cannot be opened, why.
absl::StatusOr<std::string> ReadCertificates(const std::string& path);
// The key has no passphrase: nobody is there to be asked for it.
absl::StatusOr<PemPair> ReadKeyPair(const std::string& certificate_path,
                                    const std::string& key_path);

}  // namespace ecf8

#endif  // ECF8_RPC_PEM_FILES_H_
