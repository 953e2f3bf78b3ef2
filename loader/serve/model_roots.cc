#include "loader/serve/model_roots.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"
#include "loader/model/error_info.h"
#include "loader/serve/open_models.h"

namespace ecf8 {
namespace {

// What cannot be opened is not there, or cannot be read.
absl::Status WithReason(const absl::Status& status, const std::string& name) {
  const ErrorReason reason =
      absl::IsNotFound(status) ? ErrorReason::kModelNotFound : ErrorReason::kReadFailed;
  return WithErrorInfo(AddContext(status, "model " + Quoted(name)),
                       {.reason = reason, .model = name});
}

}  // namespace

bool IsChildName(std::string_view name) {
  return IsModelName(name) && name.front() != '.' && name.find('/') == std::string_view::npos;
}

absl::StatusOr<ModelRoots> ModelRoots::Open(const std::vector<std::string>& directories) {
  std::vector<std::string> paths;
  for (const std::string& directory : directories) {
    std::error_code error;
    const std::string path = std::filesystem::canonical(directory, error).string();
    if (error) return ErrnoStatus(error.value(), absl::StrCat("model-root ", Quoted(directory)));
    if (!std::filesystem::is_directory(path, error)) {
      return absl::InvalidArgumentError(
          absl::StrCat("model-root ", Quoted(directory), " is no directory"));
    }
    if (std::find(paths.begin(), paths.end(), path) == paths.end()) paths.push_back(path);
  }
  return ModelRoots(std::move(paths));
}

absl::StatusOr<std::shared_ptr<const CompressedModel>> OpenModelOfRoot(
    const ModelDirectory& directory) {
  auto model = CompressedModel::Open(directory);
  if (model.ok() || !absl::IsNotFound(model.status())) return model;
  ErrorInfo info = GetErrorInfo(model.status()).value_or(ErrorInfo{});
  if (info.shard.empty()) {
    return WithReason(absl::NotFoundError("its directory holds none"), directory.name());
  }
  info.reason = ErrorReason::kCorruptData;  // one of its shards is missing
  return WithErrorInfo(absl::DataLossError(model.status().message()), info);
}

absl::StatusOr<std::shared_ptr<const CompressedModel>> ModelRoots::OpenModel(
    const std::string& name) const {
  if (!IsChildName(name)) {
    return WithErrorInfo(
        absl::InvalidArgumentError(absl::StrCat(
            Quoted(name), " can be no model's name: it is that of a directory, without a path")),
        {.reason = ErrorReason::kBadRequest});
  }
  absl::Status missing = absl::NotFoundError("there is no such directory below a model root");
  for (const std::string& root : paths_) {
    absl::StatusOr<ModelDirectory> directory = ModelDirectory::OpenBeneath(root, name);
    if (directory.ok()) return OpenModelOfRoot(*directory);
    if (!absl::IsNotFound(directory.status())) return WithReason(directory.status(), name);
    missing = directory.status();
  }
  return WithReason(missing, name);
}

}  // namespace ecf8
