// Compares tensors that arrive with those of the plain model that they should be.
#ifndef ECF8_TOOLS_ECF8_SOURCE_COMPARISON_H_
#define ECF8_TOOLS_ECF8_SOURCE_COMPARISON_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loader/checkpoint/source_model.h"
#include "loader/model/source_tensors.h"

namespace ecf8 {

// Thread-compatible.
class SourceComparison {
 public:
  // `path`: a Hugging Face directory or one .safetensors file.
  static absl::StatusOr<SourceComparison> Open(const std::string& path);

  // DATA_LOSS where `bytes` are not what the tensor `name` holds from `offset_bytes` on, NOT_FOUND
  // where there is no such tensor.
  absl::Status Compare(std::string_view name, uint64_t offset_bytes,
                       absl::Span<const uint8_t> bytes);

  uint64_t compared_bytes() const { return compared_bytes_; }
  // Of all tensors of the source.
  uint64_t total_bytes() const { return total_bytes_; }

 private:
  explicit SourceComparison(SourceModel source);

  std::unique_ptr<const SourceModel> source_;  // where tensors_ points to
  SourceTensors tensors_;
  std::vector<uint8_t> expected_;
  uint64_t compared_bytes_ = 0;
  uint64_t total_bytes_ = 0;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8_SOURCE_COMPARISON_H_
