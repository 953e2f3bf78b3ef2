// Tensors in memory to one compressed .safetensors file.
#ifndef ECF8_LOADER_MODEL_SAVE_TENSORS_H_
#define ECF8_LOADER_MODEL_SAVE_TENSORS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "loader/checkpoint/dtype.h"

namespace ecf8 {

struct TensorToSave {
  std::string name;
  DType dtype = DType::kU8;
  std::vector<uint64_t> shape;
  absl::Span<const uint8_t> bytes;  // row-major, little-endian; not changed meanwhile
};

// Writes `path`, which then is a model of one shard: it appears, or takes the place of what was
// there, when it is complete and synced. Nothing is copied of the tensors but the chunks in flight.
// `metadata` stands in its header; empty: {"format": "pt"}. `threads`: 0 is one a core.
// INVALID_ARGUMENT for a path that does not end in .safetensors, a name twice or beginning with
// kReservedPrefix, bytes that are not of the size of dtype and shape.
absl::Status SaveTensors(const std::vector<TensorToSave>& tensors,
                         const std::map<std::string, std::string>& metadata,
                         const std::string& path, int threads);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_SAVE_TENSORS_H_
