#include "loader/model/model_directory.h"

#include <fcntl.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/beneath.h"
#include "loader/base/strings.h"
#include "loader/checkpoint/weight_index.h"

namespace ecf8 {
namespace {

constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY;

}  // namespace

absl::StatusOr<ModelDirectory> ModelDirectory::Open(const std::string& path) {
  std::error_code error;
  const std::filesystem::path found = std::filesystem::canonical(path, error);
  if (error) return ErrnoStatus(error.value(), absl::StrCat("cannot open ", Quoted(path)));
  if (!std::filesystem::is_directory(found, error)) {
    return absl::InvalidArgumentError(absl::StrCat(Quoted(path), " is no directory"));
  }
  ECF8_ASSIGN_OR_RETURN(Descriptor directory, OpenDirectory(found.string()));
  return ModelDirectory(found.string(), found.filename().string(), std::move(directory), {});
}

absl::StatusOr<ModelDirectory> ModelDirectory::OpenBeneath(const std::string& root,
                                                           const std::string& name) {
  ECF8_ASSIGN_OR_RETURN(Descriptor root_directory, OpenDirectory(root));
  ECF8_ASSIGN_OR_RETURN(Descriptor directory,
                        ecf8::OpenBeneath(root_directory, name, kDirectoryFlags));
  return ModelDirectory(absl::StrCat(root, "/", name), name, std::move(directory),
                        std::move(root_directory));
}

absl::StatusOr<std::vector<std::string>> ModelDirectory::ListShardFiles() const {
  std::vector<std::string> files;
  std::error_code error;
  std::filesystem::directory_iterator entry(ReopenPath(directory_.get()), error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (IsShardName(name)) files.push_back(std::move(name));
  }
  if (error) {
    return ErrnoStatus(error.value(), absl::StrCat("cannot list ", Quoted(shown())));
  }
  std::sort(files.begin(), files.end());
  return files;
}

absl::StatusOr<File> ModelDirectory::OpenFile(const std::string& file_name) const {
  if (!root_) return File::OpenForRead(absl::StrCat(path_, "/", file_name));
  const std::string relative = absl::StrCat(name_, "/", file_name);
  ECF8_ASSIGN_OR_RETURN(Descriptor descriptor,
                        ecf8::OpenBeneath(root_, relative, File::kReadFlags));
  return File::FromDescriptor(std::move(descriptor), relative);
}

}  // namespace ecf8
