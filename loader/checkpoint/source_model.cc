#include "loader/checkpoint/source_model.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/directory_listing.h"
#include "loader/checkpoint/unit_names.h"
#include "loader/checkpoint/weight_index.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kShardSuffix = ".safetensors";
constexpr std::string_view kIndexSuffix = ".safetensors.index.json";
constexpr std::string_view kUsualIndex = "model.safetensors.index.json";
constexpr std::string_view kConfig = "config.json";

std::string ShownPath(const SourceModel& model, const std::string& relative) {
  return Quoted(absl::StrCat(model.directory, "/", relative), 1024);
}

absl::Status OpenShard(const std::string& name, SourceModel& model) {
  // Before the header is read: a change after this moment is noticed.
  ECF8_ASSIGN_OR_RETURN(std::unique_ptr<SourceFile> file,
                        SourceFile::Open(absl::StrCat(model.directory, "/", name)));
  ECF8_ASSIGN_OR_RETURN(SafetensorsHeader header, ReadSafetensorsHeader(file->file()));
  for (const SafetensorsTensor& tensor : header.tensors) {
    if (tensor.name.starts_with(kReservedPrefix)) {
      return absl::InvalidArgumentError(absl::StrCat(ShownPath(model, name), " holds the tensor ",
                                                     Quoted(tensor.name),
                                                     ": the model is already compressed by ecf8"));
    }
  }
  model.shards.push_back(SourceShard{name, std::move(file), std::move(header)});
  return absl::OkStatus();
}

using ShardByTensor = std::unordered_map<std::string_view, const SourceShard*>;

absl::StatusOr<ShardByTensor> MapTensors(const SourceModel& model) {
  ShardByTensor shard_of;
  for (const SourceShard& shard : model.shards) {
    for (const SafetensorsTensor& tensor : shard.header.tensors) {
      const auto [at, is_new] = shard_of.emplace(tensor.name, &shard);
      if (!is_new) {
        return absl::InvalidArgumentError(
            absl::StrCat("tensor ", Quoted(tensor.name), " is both in ",
                         ShownPath(model, at->second->path), " and in ", Quoted(shard.path)));
      }
    }
  }
  return shard_of;
}

absl::Status CheckIndex(const WeightIndex& index, const SourceModel& model,
                        const ShardByTensor& shard_of) {
  for (const auto& [tensor, listed] : index.shard_of) {
    const auto found = shard_of.find(tensor);
    if (found != shard_of.end() && found->second->path == listed) continue;
    const std::string where = found == shard_of.end()
                                  ? std::string("it is in no shard")
                                  : absl::StrCat("it is in ", Quoted(found->second->path));
    return absl::InvalidArgumentError(absl::StrCat(ShownPath(model, model.index_path),
                                                   " puts tensor ", Quoted(tensor), " in ",
                                                   Quoted(listed), ", but ", where));
  }
  return absl::OkStatus();
}

// The index among `top_files` (sorted): the usual name, or the only one; empty without any.
absl::StatusOr<std::string> FindIndex(const SourceModel& model,
                                      const std::vector<std::string>& top_files) {
  std::vector<std::string> found;
  for (const std::string& name : top_files) {
    if (name == kUsualIndex) return name;
    if (name.ends_with(kIndexSuffix)) found.push_back(name);
  }
  if (found.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat(Quoted(model.directory, 1024),
                                                   " has two indexes: ", Quoted(found[0]), " and ",
                                                   Quoted(found[1])));
  }
  return found.empty() ? std::string() : found[0];
}

// Without an index: all shards of the directory. Hidden ones are droppings of other systems.
std::vector<std::string> UnlistedShards(const std::vector<std::string>& top_files) {
  std::vector<std::string> names;
  for (const std::string& name : top_files) {
    if (name.ends_with(kShardSuffix) && !name.starts_with('.')) names.push_back(name);
  }
  return names;
}

absl::StatusOr<std::vector<std::string>> ListedShards(const SourceModel& model,
                                                      const WeightIndex& index,
                                                      const std::vector<std::string>& top_files) {
  std::set<std::string> names;
  for (const auto& [tensor, name] : index.shard_of) {
    if (!names.insert(name).second) continue;
    if (!std::binary_search(top_files.begin(), top_files.end(), name)) {
      return absl::NotFoundError(absl::StrCat(ShownPath(model, name),
                                              " is missing: ", Quoted(model.index_path),
                                              " puts tensor ", Quoted(tensor), " there"));
    }
  }
  return std::vector<std::string>(names.begin(), names.end());
}

absl::StatusOr<SourceModel> OpenDirectory(SourceModel model) {
  ECF8_ASSIGN_OR_RETURN(const std::vector<std::string> files, ListFiles(model.directory));
  std::vector<std::string> top_files;
  for (const std::string& file : files) {
    if (file.find('/') == std::string::npos) top_files.push_back(file);
  }
  ECF8_ASSIGN_OR_RETURN(model.index_path, FindIndex(model, top_files));

  WeightIndex index;
  std::vector<std::string> shard_names = UnlistedShards(top_files);
  if (!model.index_path.empty()) {
    ECF8_ASSIGN_OR_RETURN(const File file,
                          File::OpenForRead(absl::StrCat(model.directory, "/", model.index_path)));
    ECF8_ASSIGN_OR_RETURN(index, ReadWeightIndex(file));
    ECF8_ASSIGN_OR_RETURN(shard_names, ListedShards(model, index, top_files));
  }
  if (shard_names.empty()) {
    return absl::NotFoundError(
        absl::StrCat(Quoted(model.directory, 1024),
                     " holds no .safetensors file: there is nothing to compress"));
  }
  for (const std::string& name : shard_names) ECF8_RETURN_IF_ERROR(OpenShard(name, model));
  ECF8_ASSIGN_OR_RETURN(const ShardByTensor shard_of, MapTensors(model));
  ECF8_RETURN_IF_ERROR(CheckIndex(index, model, shard_of));

  for (const std::string& file : files) {
    if (file == kConfig) {
      model.has_config = true;
    } else if (file != model.index_path &&
               !std::binary_search(shard_names.begin(), shard_names.end(), file)) {
      model.other_paths.push_back(file);
    }
  }
  return model;
}

}  // namespace

absl::StatusOr<SourceModel> OpenSourceModel(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("the path of the model is empty");
  std::error_code error;
  const bool is_directory = fs::is_directory(path, error);
  SourceModel model;
  // Of a file only the parent is resolved: a link in the hub's cache has the model's name, its
  // target a hash.
  const fs::path given(path);
  const fs::path parent = given.has_parent_path() ? given.parent_path() : fs::path(".");
  model.directory = fs::canonical(is_directory ? given : parent, error).string();
  if (error) {
    return ErrnoStatus(error.value(), absl::StrCat("cannot open ", Quoted(path, 1024)));
  }
  if (is_directory) return OpenDirectory(std::move(model));
  model.is_single_file = true;
  ECF8_RETURN_IF_ERROR(OpenShard(given.filename().string(), model));
  return model;
}

absl::Status CheckSourceUnchanged(const SourceModel& model) {
  for (const SourceShard& shard : model.shards) {
    ECF8_RETURN_IF_ERROR(shard.bytes->CheckUnchanged());
  }
  return absl::OkStatus();
}

}  // namespace ecf8
