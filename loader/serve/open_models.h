// Opening the models that a daemon is told to serve from its start on.
#ifndef ECF8_LOADER_SERVE_OPEN_MODELS_H_
#define ECF8_LOADER_SERVE_OPEN_MODELS_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/model/compressed_model.h"

namespace ecf8 {

using OpenedModels = std::vector<std::shared_ptr<const CompressedModel>>;

// What OpenModels left out, with the reason: for the log.
struct SkippedDirectory {
  std::string directory;
  absl::Status why;
};

// In order of name. Each directory is a compressed model, or the parent of some: a directory that
// itself holds a `.safetensors` file or a config.json is taken as a model, and any error of it is
// an error here. Of a parent, each visible immediate child directory is tried; one that is no ecf8
// model is skipped and told in *skipped, one that is damaged is an error, as is a parent without
// any model. ALREADY_EXISTS where two models have one name, INVALID_ARGUMENT where a name is none
// that IsModelName takes.
absl::StatusOr<OpenedModels> OpenModels(const std::vector<std::string>& directories,
                                        std::vector<SkippedDirectory>* skipped);

// Whether clients can name a model so: 1 to 200 bytes of UTF-8 without control characters, quotes
// and backslashes.
bool IsModelName(std::string_view name);

}  // namespace ecf8

#endif  // ECF8_LOADER_SERVE_OPEN_MODELS_H_
