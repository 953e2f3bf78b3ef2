// Files of the source that a compressed model keeps so that `decompress` can give them back.
#ifndef ECF8_LOADER_MODEL_ORIGINAL_H_
#define ECF8_LOADER_MODEL_ORIGINAL_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "loader/model/manifest.h"

namespace ecf8 {

// INVALID_ARGUMENT where `bytes` are more than kMaxOriginalBytes.
absl::StatusOr<Original> DeflateOriginal(Original::Kind kind, std::string path,
                                         std::string_view bytes);

// The kept bytes. DATA_LOSS naming the file where they are not what was kept; never more than
// original.size_bytes are inflated.
absl::StatusOr<std::string> InflateOriginal(const Original& original);

// What a safetensors file begins with, as it is kept: the length of `json` in 8 bytes, then `json`.
std::string SafetensorsHead(std::string_view json);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_ORIGINAL_H_
