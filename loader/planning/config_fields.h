// Numbers of a config.json.
#ifndef ECF8_LOADER_PLANNING_CONFIG_FIELDS_H_
#define ECF8_LOADER_PLANNING_CONFIG_FIELDS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace ecf8 {

// Remembers the first field that was missing or out of bounds, so that a reader asks for all of
// them and looks at status() once.
class ConfigFields {
 public:
  // INVALID_ARGUMENT where `text` is no JSON object of at most 1 MiB.
  static absl::StatusOr<ConfigFields> Parse(std::string_view text);

  // 1 to 2^20; 0 after an error. Of several names the first that is there.
  uint64_t Required(std::string_view name, std::string_view other = {});
  // The same, or `otherwise` where it is missing or null; 0 is allowed.
  uint64_t Optional(std::string_view name, uint64_t otherwise);
  bool Flag(std::string_view name, bool otherwise) const;
  std::string Text(std::string_view name) const;  // empty where it is not there

  const absl::Status& status() const { return status_; }

 private:
  explicit ConfigFields(nlohmann::json document) : document_(std::move(document)) {}
  uint64_t Number(const nlohmann::json& value, std::string_view name, uint64_t least);

  nlohmann::json document_;
  absl::Status status_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_PLANNING_CONFIG_FIELDS_H_
