#include "loader/planning/config_fields.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace ecf8 {
namespace {

constexpr size_t kMaxConfigBytes = size_t{1} << 20;
constexpr uint64_t kMaxNumber = uint64_t{1} << 20;

}  // namespace

absl::StatusOr<ConfigFields> ConfigFields::Parse(std::string_view text) {
  if (text.size() > kMaxConfigBytes) {
    return absl::InvalidArgumentError("config.json is larger than 1 MiB");
  }
  nlohmann::json document = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) return absl::InvalidArgumentError("config.json is no JSON object");
  // Models that see, too, have the numbers of their language part inside.
  const auto inner = document.find("text_config");
  if (inner != document.end() && inner->is_object() && !document.contains("hidden_size")) {
    nlohmann::json text_config = *inner;
    document = std::move(text_config);
  }
  return ConfigFields(std::move(document));
}

uint64_t ConfigFields::Number(const nlohmann::json& value, std::string_view name, uint64_t least) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    if (number >= least && number <= kMaxNumber) return number;
  }
  status_.Update(absl::InvalidArgumentError(absl::StrCat("config.json: ", std::string(name),
                                                         " must be a whole number from ", least,
                                                         " to ", kMaxNumber)));
  return 0;
}

uint64_t ConfigFields::Required(std::string_view name, std::string_view other) {
  for (const std::string_view each : {name, other}) {
    const auto found = each.empty() ? document_.end() : document_.find(std::string(each));
    if (found != document_.end()) return Number(*found, each, 1);
  }
  status_.Update(
      absl::InvalidArgumentError(absl::StrCat("config.json has no ", std::string(name))));
  return 0;
}

uint64_t ConfigFields::Optional(std::string_view name, uint64_t otherwise) {
  const auto found = document_.find(std::string(name));
  if (found == document_.end() || found->is_null()) return otherwise;
  return Number(*found, name, 0);
}

bool ConfigFields::Flag(std::string_view name, bool otherwise) const {
  const auto found = document_.find(std::string(name));
  return found != document_.end() && found->is_boolean() ? found->get<bool>() : otherwise;
}

std::string ConfigFields::Text(std::string_view name) const {
  const auto found = document_.find(std::string(name));
  return found != document_.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace ecf8
