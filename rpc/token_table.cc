#include "rpc/token_table.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

constexpr size_t kTokenBytes = 32;
constexpr size_t kMaxNameBytes = 64;
constexpr std::string_view kSpaces = " \t\r";

std::string ToHex(absl::Span<const uint8_t> bytes) {
  std::string hex;
  for (const uint8_t byte : bytes) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

std::string HashOf(std::string_view token) {
  std::array<uint8_t, SHA256_DIGEST_LENGTH> hash;
  SHA256(reinterpret_cast<const uint8_t*>(token.data()), token.size(), hash.data());
  return ToHex(hash);
}

// The pieces between separators, empty ones left out.
std::vector<std::string> Split(std::string_view text, std::string_view separators) {
  std::vector<std::string> pieces;
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, text.find_first_of(separators));
    text.remove_prefix(std::min(text.size(), piece.size() + 1));
    if (!piece.empty()) pieces.emplace_back(piece);
  }
  return pieces;
}

absl::StatusOr<uint8_t> ParseScopes(std::string_view text) {
  uint8_t scopes = 0;
  for (const std::string& name : Split(text, ",")) {
    if (name == "read") {
      scopes |= static_cast<uint8_t>(Scope::kRead);
    } else if (name == "preload") {
      scopes |= static_cast<uint8_t>(Scope::kPreload);
    } else if (name == "admin") {
      scopes |= static_cast<uint8_t>(Scope::kAdmin);
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("scope ", Quoted(name), " is none of read, preload, admin"));
    }
  }
  return scopes;
}

}  // namespace

bool Principal::MaySee(std::string_view model) const {
  return all_models || std::binary_search(models.begin(), models.end(), model);
}

Principal Principal::Everything(std::string name) {
  return {.name = std::move(name), .scopes = 7, .all_models = true};
}

absl::StatusOr<TokenTable::Entry> TokenTable::ParseLine(std::string_view line) {
  const std::vector<std::string> fields = Split(line, kSpaces);
  if (fields.size() != 4) return absl::InvalidArgumentError("want NAME SCOPES MODELS SHA256");
  Entry entry;
  entry.principal.name = fields[0];
  if (fields[0].size() > kMaxNameBytes) return absl::InvalidArgumentError("the name is too long");
  ECF8_ASSIGN_OR_RETURN(entry.principal.scopes, ParseScopes(fields[1]));
  entry.principal.all_models = fields[2] == "*";
  if (!entry.principal.all_models) {
    entry.principal.models = Split(fields[2], ",");
    std::sort(entry.principal.models.begin(), entry.principal.models.end());
  }
  entry.hash = fields[3];
  if (entry.hash.size() != size_t{2} * SHA256_DIGEST_LENGTH ||
      entry.hash.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return absl::InvalidArgumentError(
        "the last field is no SHA-256 in lower-case hexadecimal digits");
  }
  return entry;
}

absl::StatusOr<TokenTable> TokenTable::Parse(std::string_view text) {
  if (text.size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat("more than ", kMaxFileBytes, " bytes"));
  }
  TokenTable table;
  for (size_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    line = line.substr(0, line.find('#'));
    if (line.find_first_not_of(kSpaces) == std::string_view::npos) continue;
    absl::StatusOr<Entry> entry = ParseLine(line);
    if (!entry.ok()) return AddContext(entry.status(), absl::StrCat("line ", number));
    table.entries_.push_back(*std::move(entry));
  }
  return table;
}

absl::StatusOr<TokenTable> TokenTable::Read(const std::string& path) {
  ECF8_ASSIGN_OR_RETURN(const File file, File::OpenForRead(path));
  ECF8_ASSIGN_OR_RETURN(const uint64_t size_bytes, file.SizeBytes());
  // One byte more than is allowed is enough for Parse to refuse it.
  std::string text(std::min<uint64_t>(size_bytes, kMaxFileBytes + 1), '\0');
  ECF8_RETURN_IF_ERROR(file.ReadAt(0, {reinterpret_cast<uint8_t*>(text.data()), text.size()}));
  absl::StatusOr<TokenTable> table = Parse(text);
  if (!table.ok()) return AddContext(table.status(), path);
  return table;
}

std::optional<Principal> TokenTable::Find(std::string_view token) const {
  const std::string hash = HashOf(token);
  // All of them are looked at, and all of each.
  const Entry* found = nullptr;
  for (const Entry& entry : entries_) {
    const bool same = CRYPTO_memcmp(entry.hash.data(), hash.data(), hash.size()) == 0;
    found = same ? &entry : found;
  }
  if (found == nullptr) return std::nullopt;
  return found->principal;
}

absl::StatusOr<NewToken> MakeToken(std::string_view name, std::string_view scopes,
                                   std::string_view models) {
  std::array<uint8_t, kTokenBytes> random;
  // So few bytes come whole or not at all.
  if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    return ErrnoStatus(errno, "no random bits for a token");
  }
  NewToken made{.token = ToHex(random), .line = {}};
  for (const std::string_view field : {name, scopes, models}) made.line.append(field) += ' ';
  made.line += HashOf(made.token);
  ECF8_ASSIGN_OR_RETURN(const TokenTable table, TokenTable::Parse(made.line));
  if (table.size() != 1) return absl::InvalidArgumentError("a name is a word without '#'");
  return made;
}

}  // namespace ecf8
