#include "loader/model/config_rewrite.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "loader/checkpoint/strict_json.h"
#include "nlohmann/json.hpp"

namespace ecf8 {
namespace {

constexpr char kKey[] = "quantization_config";

// Accepts every document that ParseStrictJson accepts, which bounds its depth: nlohmann's writer
// recurses.
class AnyDocument : public JsonEvents {
 public:
  absl::Status BeginObject() override { return absl::OkStatus(); }
  absl::Status BeginArray() override { return absl::OkStatus(); }
  absl::Status String(std::string&& /*value*/) override { return absl::OkStatus(); }
  absl::Status Unsigned(uint64_t /*value*/) override { return absl::OkStatus(); }
  absl::Status Other(std::string_view /*what*/) override { return absl::OkStatus(); }
};

}  // namespace

std::optional<std::string> RewriteConfig(std::string_view json) {
  AnyDocument any;
  if (!ParseStrictJson(json, any).ok()) return std::nullopt;
  auto config = nlohmann::ordered_json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) return std::nullopt;
  nlohmann::ordered_json base = nullptr;
  if (const auto entry = config.find(kKey); entry != config.end()) base = std::move(*entry);
  config[kKey] = {{"quant_method", "ecf8"}, {"base", std::move(base)}};
  // Text that was parsed is UTF-8, so nothing is replaced; but the writer must not throw.
  return config.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace ecf8
