// Directories below which clients may have models added, by name: whoever runs the daemon says
// where models lie, and clients say which.
#ifndef ECF8_LOADER_SERVE_MODEL_ROOTS_H_
#define ECF8_LOADER_SERVE_MODEL_ROOTS_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/model/compressed_model.h"
#include "loader/model/model_directory.h"

namespace ecf8 {

// Immutable, so safe to share between threads.
class ModelRoots {
 public:
  // Each is a directory, links followed: NOT_FOUND and the like else, with its path. One that is
  // named twice counts once.
  static absl::StatusOr<ModelRoots> Open(const std::vector<std::string>& directories);

  // None: nothing can be added.
  ModelRoots() = default;

  // Absolute.
  const std::vector<std::string>& paths() const { return paths_; }

  // The model that is the child `name` of a root, of the first that has one. Nothing outside of
  // that root is opened, through whatever links. Blocks for the disk. Every error carries an
  // ErrorInfo and names no path: INVALID_ARGUMENT for what can be no child's name, NOT_FOUND,
  // PERMISSION_DENIED (also for a link that leads out of the root), DATA_LOSS (also where a shard
  // is missing), UNIMPLEMENTED.
  absl::StatusOr<std::shared_ptr<const CompressedModel>> OpenModel(const std::string& name) const;

 private:
  explicit ModelRoots(std::vector<std::string> paths) : paths_(std::move(paths)) {}

  std::vector<std::string> paths_;
};

// Whether a root's child of this name may be a model: one that clients can name, in one component,
// and that is not hidden.
bool IsChildName(std::string_view name);

// The model in a directory that was opened beneath a root; errors as ModelRoots::OpenModel's.
absl::StatusOr<std::shared_ptr<const CompressedModel>> OpenModelOfRoot(
    const ModelDirectory& directory);

}  // namespace ecf8

#endif  // ECF8_LOADER_SERVE_MODEL_ROOTS_H_
