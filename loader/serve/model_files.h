// The files of a model that is served, as they lie: for who copies the model.
#ifndef ECF8_LOADER_SERVE_MODEL_FILES_H_
#define ECF8_LOADER_SERVE_MODEL_FILES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/base/file.h"
#include "loader/model/compressed_model.h"

namespace ecf8 {

// A shard, or one of the other files that the directory record names. No other path is one,
// whatever lies in the directory.
struct ModelFile {
  std::shared_ptr<const CompressedModel> model{};
  std::string path{};           // below the model's directory
  uint64_t size_bytes = 0;      // as it was when the model was opened, or compressed
  const File* shard = nullptr;  // the model's, open; null: of another file
};

// NOT_FOUND. Touches no disk.
absl::StatusOr<ModelFile> FindModelFile(std::shared_ptr<const CompressedModel> model,
                                        std::string_view path);

// One that is no shard, as it lies there now: a shard is open, and is the one that is served,
// whatever lies there. PERMISSION_DENIED where a link leads out of the model's directory; DATA_LOSS
// where it has another size; the errors of opening it, which are not for clients.
absl::StatusOr<File> OpenOtherFile(const ModelFile& file);

// What a client is told of that, or of a read that failed: with an ErrorInfo, without paths of this
// machine. RESOURCE_EXHAUSTED (it may pass), FAILED_PRECONDITION (that link), else DATA_LOSS.
absl::Status ModelFileFailure(const ModelFile& file, const absl::Status& status);

}  // namespace ecf8

#endif  // ECF8_LOADER_SERVE_MODEL_FILES_H_
