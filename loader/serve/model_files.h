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

// A shard is the one that is served, whatever lies there now; another file what lies there: nothing
// outside of the model's directory. DATA_LOSS where it is gone or has another size.
absl::StatusOr<File> OpenModelFile(const ModelFile& file);

// What a client is told of a file that is not to be had: DATA_LOSS, with an ErrorInfo. Without the
// path of the model's directory.
absl::Status ModelFileFailure(const ModelFile& file, std::string_view why);

}  // namespace ecf8

#endif  // ECF8_LOADER_SERVE_MODEL_FILES_H_
