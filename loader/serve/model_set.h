// The models that a daemon serves, by name.
#ifndef ECF8_LOADER_SERVE_MODEL_SET_H_
#define ECF8_LOADER_SERVE_MODEL_SET_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "loader/model/compressed_model.h"

namespace ecf8 {

// Immutable, so safe to share between threads.
class ModelSet {
 public:
  // What Open left out, with the reason: for the log.
  struct Skipped {
    std::string directory;
    absl::Status why;
  };

  // Each directory is a compressed model, or the parent of some: a directory that itself holds a
  // `.safetensors` file or a config.json is taken as a model, and any error of it is an error here.
  // Of a parent, each visible immediate child directory is tried; one that is no ecf8 model is
  // skipped and told in *skipped, one that is damaged is an error, as is a parent without any
  // model. ALREADY_EXISTS where two models have one name, INVALID_ARGUMENT where a name holds
  // control characters or is longer than 200 bytes or not UTF-8.
  static absl::StatusOr<ModelSet> Open(const std::vector<std::string>& directories,
                                       std::vector<Skipped>* skipped);

  // For models that are open already; the same check of names.
  static absl::StatusOr<ModelSet> FromModels(
      std::vector<std::shared_ptr<const CompressedModel>> models);

  // In order of name.
  const std::vector<std::shared_ptr<const CompressedModel>>& models() const { return models_; }

  // nullptr where there is none.
  std::shared_ptr<const CompressedModel> Find(std::string_view name) const;
  // Its place in models(), which is its number in an engine that was started with them.
  std::optional<uint32_t> NumberOf(std::string_view name) const;

 private:
  ModelSet() = default;

  std::vector<std::shared_ptr<const CompressedModel>> models_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_SERVE_MODEL_SET_H_
