#include "tools/ecf8/source_comparison.h"

#include <algorithm>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/base/strings.h"

namespace ecf8 {

absl::StatusOr<SourceComparison> SourceComparison::Open(const std::string& path) {
  ECF8_ASSIGN_OR_RETURN(SourceModel source, OpenSourceModel(path));
  return SourceComparison(std::move(source));
}

SourceComparison::SourceComparison(SourceModel source)
    : source_(std::make_unique<const SourceModel>(std::move(source))),
      tensors_(IndexTensors(*source_)) {
  for (const auto& [name, tensor] : tensors_) total_bytes_ += tensor.tensor->size_bytes();
}

absl::Status SourceComparison::Compare(std::string_view name, uint64_t offset_bytes,
                                       absl::Span<const uint8_t> bytes) {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    return absl::NotFoundError("tensor " + Quoted(name) + " is not in " + source_->directory);
  }
  const SourceTensor& tensor = found->second;
  const std::string& shard = tensor.shard->path;
  const uint64_t size_bytes = tensor.tensor->size_bytes();
  if (offset_bytes > size_bytes || bytes.size() > size_bytes - offset_bytes) {
    return absl::DataLossError("tensor " + Quoted(name) + " is larger than in " + shard);
  }
  expected_.resize(bytes.size());
  ECF8_RETURN_IF_ERROR(tensor.ReadAt(offset_bytes, absl::MakeSpan(expected_)));
  const auto [ours, theirs] = std::mismatch(expected_.begin(), expected_.end(), bytes.begin());
  if (ours != expected_.end()) {
    return absl::DataLossError("tensor " + Quoted(name) + " differs from " + shard +
                               " at its byte " +
                               std::to_string(offset_bytes + (ours - expected_.begin())));
  }
  compared_bytes_ += bytes.size();
  return absl::OkStatus();
}

}  // namespace ecf8
