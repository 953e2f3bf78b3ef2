// config.json of a compressed model: the original with another `quantization_config`.
#ifndef ECF8_LOADER_MODEL_CONFIG_REWRITE_H_
#define ECF8_LOADER_MODEL_CONFIG_REWRITE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ecf8 {

// A larger config.json is no configuration.
inline constexpr uint64_t kMaxConfigBytes = 4 << 20;

// `json` with `quantization_config` replaced by {"quant_method": "ecf8", "base": <what it was, or
// null>}, the other members in their order, indented by 2. nullopt where `json` is not a JSON
// object by RFC 8259 (Python writes `Infinity`, say) or too deep: then the file is kept as it is,
// since guessing at it could change what it says, and the shapes of the coded tensors make stock
// tools refuse the model anyway.
std::optional<std::string> RewriteConfig(std::string_view json);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_CONFIG_REWRITE_H_
