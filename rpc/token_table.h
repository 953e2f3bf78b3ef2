// Bearer tokens: who holds which, and what they may do.
//
// The file has a line a token, blank lines and comments ("#"):
//
//   NAME SCOPES MODELS SHA256
//   ci read,preload llama,qwen 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//
// MODELS may be "*". Only hashes are kept: a token is 256 random bits, so that its hash needs no
// salt and no slow function.
#ifndef ECF8_RPC_TOKEN_TABLE_H_
#define ECF8_RPC_TOKEN_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace ecf8 {

enum class Scope : uint8_t {
  kRead = 1,     // list, describe, fetch, status, sessions
  kPreload = 2,  // preload
  kAdmin = 4,    // pin, evict, add, remove, record
};

// Who calls.
struct Principal {
  std::string name;    // for the log
  uint8_t scopes = 0;  // of Scope
  bool all_models = false;
  std::vector<std::string> models{};  // sorted; where not all

  bool May(Scope scope) const { return (scopes & static_cast<uint8_t>(scope)) != 0; }
  bool MaySee(std::string_view model) const;

  static Principal Everything(std::string name);
};

// Immutable, so thread-safe.
class TokenTable {
 public:
  static constexpr size_t kMaxFileBytes = 1 << 20;

  // Of nobody.
  TokenTable() = default;

  // INVALID_ARGUMENT names the line. No message holds a hash.
  static absl::StatusOr<TokenTable> Parse(std::string_view text);
  // The same of a file; errors name it.
  static absl::StatusOr<TokenTable> Read(const std::string& path);

  // In a time that does not depend on how much of which token is right.
  std::optional<Principal> Find(std::string_view token) const;

  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string hash;  // SHA-256, in lower-case hexadecimal digits
    Principal principal;
  };

  static absl::StatusOr<Entry> ParseLine(std::string_view line);

  std::vector<Entry> entries_;
};

// A new token, and the line for the file. RESOURCE_EXHAUSTED where there are no random bits.
struct NewToken {
  std::string token;  // 64 hexadecimal digits
  std::string line;
};
absl::StatusOr<NewToken> MakeToken(std::string_view name, std::string_view scopes,
                                   std::string_view models);

}  // namespace ecf8

#endif  // ECF8_RPC_TOKEN_TABLE_H_
