#include "loader/serve/open_models.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "decoder/status_macros.h"
#include "loader/base/file.h"
#include "loader/base/strings.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

// Entries of one parent directory that are looked at.
constexpr size_t kMaxChildren = 10000;

// The paths of the visible entries of `directory`, in order of name.
absl::StatusOr<std::vector<fs::path>> ListDirectory(const std::string& directory) {
  std::error_code error;
  std::vector<fs::path> paths;
  fs::directory_iterator entries(directory, error);
  while (!error && entries != fs::directory_iterator()) {
    if (paths.size() == kMaxChildren) {
      return absl::ResourceExhaustedError(directory + ": more than " +
                                          std::to_string(kMaxChildren) + " entries");
    }
    if (entries->path().filename().string().front() != '.') paths.push_back(entries->path());
    entries.increment(error);
  }
  if (error) return ErrnoStatus(error.value(), directory);
  std::sort(paths.begin(), paths.end());
  return paths;
}

bool LooksLikeModel(const std::vector<fs::path>& entries) {
  return std::any_of(entries.begin(), entries.end(), [](const fs::path& path) {
    return path.extension() == ".safetensors" || path.filename() == "config.json";
  });
}

absl::Status OpenChildren(const std::string& parent, const std::vector<fs::path>& entries,
                          OpenedModels* models, std::vector<SkippedDirectory>* skipped) {
  const size_t before = models->size();
  for (const fs::path& path : entries) {
    std::error_code error;
    if (!fs::is_directory(path, error)) continue;
    auto model = CompressedModel::Open(path.string());
    if (model.ok()) {
      models->push_back(*std::move(model));
    } else if (absl::IsInvalidArgument(model.status()) || absl::IsNotFound(model.status())) {
      skipped->push_back({path.string(), model.status()});
    } else {
      return model.status();
    }
  }
  if (models->size() > before) return absl::OkStatus();
  return absl::NotFoundError(parent + ": holds no ecf8 model, and is none");
}

// `models` are in order of name.
absl::Status CheckNames(const OpenedModels& models) {
  for (const auto& model : models) {
    if (IsModelName(model->name())) continue;
    return absl::InvalidArgumentError(model->directory() +
                                      ": clients could not name a model so: rename the directory");
  }
  for (size_t i = 1; i < models.size(); ++i) {
    if (models[i]->name() != models[i - 1]->name()) continue;
    return absl::AlreadyExistsError("two models are named " + Quoted(models[i]->name()) + ": " +
                                    models[i - 1]->directory() + " and " + models[i]->directory());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<OpenedModels> OpenModels(const std::vector<std::string>& directories,
                                        std::vector<SkippedDirectory>* skipped) {
  OpenedModels models;
  for (const std::string& directory : directories) {
    ECF8_ASSIGN_OR_RETURN(const std::vector<fs::path> entries, ListDirectory(directory));
    if (LooksLikeModel(entries)) {
      ECF8_ASSIGN_OR_RETURN(auto model, CompressedModel::Open(directory));
      models.push_back(std::move(model));
    } else {
      ECF8_RETURN_IF_ERROR(OpenChildren(directory, entries, &models, skipped));
    }
  }
  std::sort(models.begin(), models.end(),
            [](const auto& a, const auto& b) { return a->name() < b->name(); });
  ECF8_RETURN_IF_ERROR(CheckNames(models));
  return models;
}

bool IsModelName(std::string_view name) {
  return !name.empty() && Quoted(name) == "\"" + std::string(name) + "\"";
}

}  // namespace ecf8
