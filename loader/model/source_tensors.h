// The tensors of a plain model by name: what `verify --against` compares with.
#ifndef ECF8_LOADER_MODEL_SOURCE_TENSORS_H_
#define ECF8_LOADER_MODEL_SOURCE_TENSORS_H_

#include <string_view>
#include <unordered_map>

#include "loader/checkpoint/source_model.h"

namespace ecf8 {

struct SourceTensor {
  const SourceShard* shard = nullptr;
  const SafetensorsTensor* tensor = nullptr;

  absl::Status ReadAt(uint64_t offset_bytes, absl::Span<uint8_t> out) const {
    return shard->bytes->ReadAt(shard->header.data_offset() + tensor->begin + offset_bytes, out);
  }
};

// Borrows the source.
using SourceTensors = std::unordered_map<std::string_view, SourceTensor>;

inline SourceTensors IndexTensors(const SourceModel& source) {
  SourceTensors tensors;
  for (const SourceShard& shard : source.shards) {
    for (const SafetensorsTensor& tensor : shard.header.tensors) {
      tensors[tensor.name] = {&shard, &tensor};
    }
  }
  return tensors;
}

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_SOURCE_TENSORS_H_
