// Where a model's files are opened.
#ifndef ECF8_LOADER_MODEL_MODEL_DIRECTORY_H_
#define ECF8_LOADER_MODEL_MODEL_DIRECTORY_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/base/descriptor.h"
#include "loader/base/file.h"

namespace ecf8 {

// Movable. Thread-compatible.
class ModelDirectory {
 public:
  // The directory at `path`, which whoever runs the program has named: links are followed wherever
  // they lead. NOT_FOUND, INVALID_ARGUMENT where it is no directory.
  static absl::StatusOr<ModelDirectory> Open(const std::string& path);

  // The child `name` of the directory `root`. Nothing is opened that lies outside of `root`,
  // through whatever links: PERMISSION_DENIED. `name` is one component. Errors name it, but not
  // `root`.
  static absl::StatusOr<ModelDirectory> OpenBeneath(const std::string& root,
                                                    const std::string& name);

  const std::string& path() const { return path_; }  // absolute: for logs, never for clients
  const std::string& name() const { return name_; }  // its last component
  // For messages: the path where it was opened by one, else the name.
  const std::string& shown() const { return root_ ? name_ : path_; }
  int fd() const { return directory_.get(); }

  // The .safetensors files of the directory itself, sorted.
  absl::StatusOr<std::vector<std::string>> ListShardFiles() const;

  // Errors name the file, with its path where the directory was opened by one.
  absl::StatusOr<File> OpenFile(const std::string& file_name) const;

 private:
  ModelDirectory(std::string path, std::string name, Descriptor directory, Descriptor root)
      : path_(std::move(path)),
        name_(std::move(name)),
        directory_(std::move(directory)),
        root_(std::move(root)) {}

  std::string path_;
  std::string name_;
  Descriptor directory_;
  Descriptor root_;  // of nothing where files may lie anywhere
};

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_MODEL_DIRECTORY_H_
