// The index of a sharded checkpoint, "model.safetensors.index.json": which tensor lies in which
// file. Input is untrusted.
#ifndef ECF8_LOADER_CHECKPOINT_WEIGHT_INDEX_H_
#define ECF8_LOADER_CHECKPOINT_WEIGHT_INDEX_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/base/file.h"

namespace ecf8 {

inline constexpr uint64_t kMaxWeightIndexBytes = 100'000'000;

struct WeightIndex {
  std::map<std::string, std::string> shard_of;  // `weight_map`: by tensor, a file of the directory
};

// INVALID_ARGUMENT where `json` is no object with one `weight_map` of strings, where that names a
// tensor twice, or names a file that is not IsShardName. Everything else in it is skipped.
absl::StatusOr<WeightIndex> ParseWeightIndex(std::string_view json);

// Errors name the file.
absl::StatusOr<WeightIndex> ReadWeightIndex(const File& file);

// True for a file name (no path) of 1 to 255 bytes of UTF-8 that ends in ".safetensors" and holds
// no
// '/', '\', "..", or NUL.
bool IsShardName(std::string_view name);

}  // namespace ecf8

#endif  // ECF8_LOADER_CHECKPOINT_WEIGHT_INDEX_H_
