#include "loader/model/save_tensors.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/staged_directory.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/source_model.h"
#include "loader/checkpoint/unit_names.h"
#include "loader/model/compress.h"
#include "loader/model/original.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".safetensors";

// The bytes of a file that would hold the tensors plainly.
class MemoryBytes final : public SourceBytes {
 public:
  // `tensors` in data order.
  MemoryBytes(const std::vector<const TensorToSave*>& tensors, const std::string& json) {
    Append({});  // the head's place: a string that may move
    head_ = SafetensorsHead(json);
    runs_[0].bytes = {reinterpret_cast<const uint8_t*>(head_.data()), head_.size()};
    size_bytes_ = head_.size();
    for (const TensorToSave* tensor : tensors) Append(tensor->bytes);
  }

  uint64_t size_bytes() const override { return size_bytes_; }

  absl::Status ReadAt(uint64_t offset_bytes, absl::Span<uint8_t> out) const override {
    if (offset_bytes > size_bytes_ || out.size() > size_bytes_ - offset_bytes) {
      return absl::DataLossError("the tensors end before the last byte");
    }
    // The last run that begins at or before the offset; empty ones before it begin there, too.
    auto run = std::upper_bound(
        runs_.begin(), runs_.end(), offset_bytes,
        [](uint64_t offset, const Run& candidate) { return offset < candidate.begin_bytes; });
    for (--run; !out.empty(); ++run) {
      const absl::Span<const uint8_t> rest = run->bytes.subspan(offset_bytes - run->begin_bytes);
      const size_t count = std::min(rest.size(), out.size());
      if (count > 0) std::memcpy(out.data(), rest.data(), count);
      out.remove_prefix(count);
      offset_bytes += count;
    }
    return absl::OkStatus();
  }

  absl::Status CheckUnchanged() const override { return absl::OkStatus(); }

 private:
  struct Run {
    uint64_t begin_bytes = 0;
    absl::Span<const uint8_t> bytes;
  };

  void Append(absl::Span<const uint8_t> bytes) {
    runs_.push_back({size_bytes_, bytes});
    size_bytes_ += bytes.size();
  }

  std::string head_;
  std::vector<Run> runs_;
  uint64_t size_bytes_ = 0;
};

// As the usual writers lay them out: wide elements first, so that all are aligned; then by name.
std::vector<const TensorToSave*> InDataOrder(const std::vector<TensorToSave>& tensors) {
  std::vector<const TensorToSave*> ordered;
  for (const TensorToSave& tensor : tensors) ordered.push_back(&tensor);
  std::sort(ordered.begin(), ordered.end(), [](const TensorToSave* a, const TensorToSave* b) {
    const int a_bits = DTypeBits(a->dtype);
    const int b_bits = DTypeBits(b->dtype);
    return a_bits != b_bits ? a_bits > b_bits : a->name < b->name;
  });
  return ordered;
}

absl::StatusOr<SourceModel> MakeSource(const std::vector<TensorToSave>& tensors,
                                       const std::map<std::string, std::string>& metadata,
                                       const fs::path& path) {
  const std::vector<const TensorToSave*> ordered = InDataOrder(tensors);
  std::vector<SafetensorsTensor> entries;
  uint64_t end = 0;
  for (const TensorToSave* tensor : ordered) {
    if (std::string_view(tensor->name).starts_with(kReservedPrefix)) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", Quoted(tensor->name), " has a name that ecf8 needs for itself"));
    }
    const uint64_t begin = std::exchange(end, end + tensor->bytes.size());
    entries.push_back({tensor->name, tensor->dtype, tensor->shape, begin, end});
  }
  std::string json = WriteSafetensorsJson(entries, metadata.empty() ? nullptr : &metadata);
  json.append(-json.size() % 8, ' ');
  // Names, sizes and shapes are checked as those of a file are.
  ECF8_ASSIGN_OR_RETURN(SafetensorsHeader header, ParseSafetensorsHeader(json, end));
  SourceModel source;
  source.directory = fs::absolute(path).parent_path().string();
  source.is_single_file = true;
  auto bytes = std::make_unique<const MemoryBytes>(ordered, header.json);
  source.shards.push_back({path.filename().string(), std::move(bytes), std::move(header)});
  return source;
}

}  // namespace

absl::Status SaveTensors(const std::vector<TensorToSave>& tensors,
                         const std::map<std::string, std::string>& metadata,
                         const std::string& path, int threads) {
  const fs::path target(path);
  const std::string name = target.filename().string();
  if (!std::string_view(name).ends_with(kSuffix) || name.size() == kSuffix.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(path), " does not end in \".safetensors\""));
  }
  ECF8_ASSIGN_OR_RETURN(const SourceModel source, MakeSource(tensors, metadata, target));
  const std::string parent = target.has_parent_path() ? target.parent_path().string() : ".";
  // It is never committed, but holds the file until that has its place, and cleans up.
  ECF8_ASSIGN_OR_RETURN(
      const StagedDirectory scratch,
      StagedDirectory::Create(absl::StrCat(parent, "/.", name, ".saving"), /*replace=*/false));
  JobOptions options;
  options.threads = threads;
  options.shard_size_bytes = std::numeric_limits<uint64_t>::max();
  const std::string model = absl::StrCat(scratch.path(), "/model");
  ECF8_RETURN_IF_ERROR(CompressModel(source, model, options).status());
  std::error_code error;
  fs::rename(absl::StrCat(model, "/", name), target, error);
  if (error) return ErrnoStatus(error.value(), absl::StrCat("cannot write ", Quoted(path)));
  return SyncDirectory(parent);
}

}  // namespace ecf8
