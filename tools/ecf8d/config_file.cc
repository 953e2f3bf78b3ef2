// ReadConfigFile: the TOML side of config.h.

#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"
#include "tools/ecf8d/config.h"

// Debian's shared library throws on bad TOML; the headers alone, built so, return it.
#undef TOML_SHARED_LIB
#undef TOML_HEADER_ONLY
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include "toml++/toml.h"

namespace ecf8 {
namespace {

constexpr uint64_t kMaxConfigBytes = 1 << 20;

absl::Status Error(const std::string& path, const toml::source_region& where,
                   const std::string& what) {
  return absl::InvalidArgumentError(path + ":" + std::to_string(where.begin.line) + ": " + what);
}

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  ECF8_ASSIGN_OR_RETURN(const File file, File::OpenForRead(path));
  ECF8_ASSIGN_OR_RETURN(const uint64_t size, file.SizeBytes());
  if (size > kMaxConfigBytes) {
    return absl::InvalidArgumentError(path + ": larger than a configuration may be");
  }
  std::string text(size, '\0');
  ECF8_RETURN_IF_ERROR(file.ReadAt(0, {reinterpret_cast<uint8_t*>(text.data()), text.size()}));
  return text;
}

const Setting* FindSetting(std::string_view name) {
  for (const Setting& setting : AllSettings()) {
    if (name == setting.name) return &setting;
  }
  return nullptr;
}

// One text, or an array of texts.
std::optional<std::vector<std::string>> Texts(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return std::vector{*text};
  const toml::array* const array = node.as_array();
  if (array == nullptr) return std::nullopt;
  std::vector<std::string> texts;
  for (const toml::node& element : *array) {
    const auto text = element.value_exact<std::string>();
    if (!text) return std::nullopt;
    texts.push_back(*text);
  }
  return texts;
}

// What the type should have been, or nullptr when it was.
struct Assign {
  const toml::node& node;
  DaemonConfig& config;

  const char* operator()(std::vector<std::string> DaemonConfig::*member) const {
    return Put(member, Texts(node), "a string or an array of strings");
  }
  const char* operator()(std::string DaemonConfig::*member) const {
    return Put(member, node.value_exact<std::string>(), "a string");
  }
  const char* operator()(bool DaemonConfig::*member) const {
    return Put(member, node.value_exact<bool>(), "true or false");
  }
  const char* operator()(int64_t DaemonConfig::*member) const {
    return Put(member, node.value_exact<int64_t>(), "a whole number");
  }

 private:
  template <typename T>
  const char* Put(T DaemonConfig::*member, std::optional<T> value, const char* expected) const {
    if (!value) return expected;
    config.*member = *std::move(value);
    return nullptr;
  }
};

}  // namespace

absl::Status ReadConfigFile(const std::string& path, DaemonConfig* config) {
  ECF8_ASSIGN_OR_RETURN(const std::string text, ReadWhole(path));
  const toml::parse_result parsed = toml::parse(std::string_view(text), std::string_view(path));
  if (!parsed) {
    return Error(path, parsed.error().source(), std::string(parsed.error().description()));
  }
  for (const auto& [key, node] : parsed.table()) {
    const Setting* const setting = FindSetting(key.str());
    if (setting == nullptr) return Error(path, key.source(), "unknown key " + Quoted(key.str()));
    if (const char* expected = std::visit(Assign{node, *config}, setting->member)) {
      return Error(path, node.source(), std::string(setting->name) + " wants " + expected);
    }
    if (absl::Status status = CheckSetting(*setting, *config); !status.ok()) {
      return Error(path, node.source(), std::string(status.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace ecf8
