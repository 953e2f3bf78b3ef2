#include "loader/model/compress_plan.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/strict_json.h"

namespace ecf8 {
namespace {

constexpr std::string_view kShardSuffix = ".safetensors";
constexpr std::string_view kIndexSuffix = ".safetensors.index.json";

std::string WithoutSuffix(const std::string& name, std::string_view suffix) {
  return name.substr(0, name.size() - suffix.size());
}

std::string NumberedShard(const std::string& prefix, size_t index, size_t count) {
  char numbers[48];
  std::snprintf(numbers, sizeof(numbers), "-%05zu-of-%05zu", index + 1, count);
  return absl::StrCat(prefix, numbers, ToAbsl(kShardSuffix));
}

// What the numbered names begin with: as in the source's index, or as transformers expects it.
std::string Prefix(const SourceModel& source) {
  if (!source.index_path.empty()) return WithoutSuffix(source.index_path, kIndexSuffix);
  if (source.shards.size() == 1) return WithoutSuffix(source.shards[0].path, kShardSuffix);
  return "model";
}

void NameShards(const SourceModel& source, CompressPlan& plan) {
  const size_t count = plan.shards.size();
  const std::string prefix = Prefix(source);
  if (count == 1 && source.index_path.empty()) {
    plan.shard_names.push_back(absl::StrCat(prefix, ToAbsl(kShardSuffix)));
    return;
  }
  for (size_t i = 0; i < count; ++i) plan.shard_names.push_back(NumberedShard(prefix, i, count));
  // transformers finds the parts of a model by the index alone, so several shards always have one.
  plan.index_name = absl::StrCat(prefix, ToAbsl(kIndexSuffix));
}

// transformers refuses a file whose metadata has no `format`.
SafetensorsMetadata MetadataOf(const SourceModel& source) {
  const SafetensorsHeader& header = source.shards[0].header;
  if (header.has_metadata) return header.metadata;
  return {{"format", "pt"}};
}

absl::Status CheckNames(const SourceModel& source, const CompressPlan& plan) {
  const auto is_taken = [&source](const std::string& name) {
    return std::binary_search(source.other_paths.begin(), source.other_paths.end(), name);
  };
  for (const std::string& name : plan.shard_names) {
    if (is_taken(name)) {
      return absl::FailedPreconditionError(
          absl::StrCat("the file ", Quoted(name),
                       " of the source, which its index does not list, "
                       "has the name of a shard to write"));
    }
  }
  if (!plan.index_name.empty() && is_taken(plan.index_name)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the file ", Quoted(plan.index_name), " of the source is in the way"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CompressPlan::ReadPiece(const PlannedPiece& piece, uint64_t offset_bytes,
                                     absl::Span<uint8_t> out) const {
  const SourceShard& shard = source->shards[refs[piece.tensor].shard];
  const SafetensorsTensor& tensor = source->tensor(refs[piece.tensor]);
  const uint64_t begin = shard.header.data_offset() + tensor.begin;
  const absl::Status status =
      shard.bytes->ReadAt(begin + piece.tensor_offset_bytes + offset_bytes, out);
  return AddContext(status, absl::StrCat("tensor ", Quoted(tensor.name)));
}

absl::StatusOr<CompressPlan> PlanCompression(const SourceModel& source, uint64_t shard_size_bytes) {
  CompressPlan plan;
  plan.source = &source;
  plan.metadata = MetadataOf(source);
  for (uint32_t s = 0; s < source.shards.size(); ++s) {
    const std::vector<SafetensorsTensor>& tensors = source.shards[s].header.tensors;
    for (uint32_t t = 0; t < tensors.size(); ++t) {
      plan.refs.push_back({s, t});
      plan.tensors.push_back(
          {tensors[t].name, tensors[t].dtype, tensors[t].shape, tensors[t].size_bytes()});
      plan.tensor_bytes += tensors[t].size_bytes();
    }
  }
  plan.shards = PlanUnits(plan.tensors, shard_size_bytes);
  // A model without tensors still has a shard, for the directory record.
  if (plan.shards.empty()) plan.shards.emplace_back();
  NameShards(source, plan);
  const absl::Status status = CheckNames(source, plan);
  if (!status.ok()) return status;
  return plan;
}

std::string BuildIndex(const CompressPlan& plan) {
  std::map<std::string_view, size_t> shard_of;
  for (size_t s = 0; s < plan.shards.size(); ++s) {
    for (const PlannedUnit& unit : plan.shards[s].units) {
      for (const PlannedPiece& piece : unit.pieces) shard_of[plan.tensors[piece.tensor].name] = s;
    }
  }
  std::string json = absl::StrCat("{\n  \"metadata\": {\n    \"total_size\": ", plan.tensor_bytes,
                                  "\n  },\n  \"weight_map\": {");
  const char* separator = "\n";
  for (const auto& [name, shard] : shard_of) {
    absl::StrAppend(&json, separator, "    ", JsonQuoted(name), ": ",
                    JsonQuoted(plan.shard_names[shard]));
    separator = ",\n";
  }
  absl::StrAppend(&json, "\n  }\n}\n");
  return json;
}

}  // namespace ecf8
