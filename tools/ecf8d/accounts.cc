#include "tools/ecf8d/accounts.h"

#include <grp.h>
#include <pwd.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <vector>

#include "loader/base/strings.h"

namespace ecf8 {
namespace {

constexpr size_t kRecordBytes = 64 << 10;
constexpr uint32_t kNobody = 0xFFFFFFFF;  // what chown takes for "leave it"

std::optional<uint32_t> NumberOf(const std::string& text) {
  uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end || number == kNobody) return std::nullopt;
  return number;
}

absl::Status Unknown(const char* what, const std::string& name) {
  return absl::InvalidArgumentError(std::string("there is no ") + what + " " + Quoted(name));
}

}  // namespace

absl::StatusOr<uid_t> FindUser(const std::string& name) {
  std::vector<char> record(kRecordBytes);
  passwd entry = {};
  passwd* found = nullptr;
  getpwnam_r(name.c_str(), &entry, record.data(), record.size(), &found);
  if (found != nullptr) return found->pw_uid;
  if (const auto number = NumberOf(name)) return *number;
  return Unknown("user", name);
}

absl::StatusOr<gid_t> FindGroup(const std::string& name) {
  std::vector<char> record(kRecordBytes);
  group entry = {};
  group* found = nullptr;
  getgrnam_r(name.c_str(), &entry, record.data(), record.size(), &found);
  if (found != nullptr) return found->gr_gid;
  if (const auto number = NumberOf(name)) return *number;
  return Unknown("group", name);
}

}  // namespace ecf8
