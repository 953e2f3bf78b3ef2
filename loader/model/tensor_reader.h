// Tensors, or ranges of their bytes, from a compressed model straight into memory of the caller's.
#ifndef ECF8_LOADER_MODEL_TENSOR_READER_H_
#define ECF8_LOADER_MODEL_TENSOR_READER_H_

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "loader/model/compressed_model.h"

namespace ecf8 {

// Bytes of a tensor, and where they go. Borrows the name.
struct TensorRange {
  std::string_view tensor;
  uint64_t offset_bytes = 0;  // in the decoded tensor, as safetensors lays it out
  absl::Span<uint8_t> out;
};

// What a model's tensor is; views of the model's.
struct StoredTensor {
  std::string_view name;
  DType dtype = DType::kU8;
  absl::Span<const uint64_t> shape;
  uint64_t size_bytes = 0;  // decoded
};

// Every tensor of `model`, in walk order of its first bytes.
std::vector<StoredTensor> ListTensors(const CompressedModel& model);

struct TensorReadOptions {
  int threads = 0;  // 0: one a core
  // Called on the calling thread now and then while others decode; an error ends the read, and is
  // its result. May be empty.
  std::function<absl::Status()> poll{};
};

// Fills every `out`, none of which overlap. Only the chunks that hold asked-for bytes are read and
// decoded; each is checked first. NOT_FOUND for a tensor that is not there, OUT_OF_RANGE for bytes
// beyond its end, before anything is read; DATA_LOSS names tensor, shard and offset. With an error
// what is in the memory is undefined.
absl::Status ReadTensors(const CompressedModel& model, absl::Span<const TensorRange> ranges,
                         const TensorReadOptions& options);

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_TENSOR_READER_H_
