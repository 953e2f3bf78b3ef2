// The models that a daemon serves, by name. They come and go while it serves.
//
// Who has found one may use it to the end of what it does (EngineModel); who looks for it after it
// was removed finds nothing. The same name can be added again at once, with whatever content: it is
// another model to the engine.
#ifndef ECF8_LOADER_SERVE_MODEL_SET_H_
#define ECF8_LOADER_SERVE_MODEL_SET_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "loader/base/mutex.h"
#include "loader/engine/engine.h"
#include "loader/engine/engine_model.h"
#include "loader/engine/heat_keeper.h"
#include "loader/model/compressed_model.h"

namespace ecf8 {

using ServedModel = std::shared_ptr<const EngineModel>;

// Thread-safe.
class ModelSet {
 public:
  // `engine` and `heat` (may be null) outlive it. At most `max_models` are served at once.
  ModelSet(Engine& engine, HeatKeeper* heat, size_t max_models)
      : engine_(engine), heat_(heat), max_models_(max_models) {}
  ModelSet(const ModelSet&) = delete;
  ModelSet& operator=(const ModelSet&) = delete;

  enum class IfThere : uint8_t { kRefuse, kReplace };

  // Serves the model when it returns. Blocks: it opens files, and waits for the engine's loop.
  // ALREADY_EXISTS where its name is served and not to be replaced, or is just being added;
  // INVALID_ARGUMENT for a name that clients could not say; RESOURCE_EXHAUSTED for more than
  // max_models, or files; UNAVAILABLE after Close. Errors about names and limits carry an
  // ErrorInfo.
  absl::Status Add(std::shared_ptr<const CompressedModel> model,
                   IfThere if_there = IfThere::kRefuse);

  // It is served no more when it returns: see EngineModel::Retire for those who use it. Never
  // blocks. NOT_FOUND; FAILED_PRECONDITION where `digest` is not empty, and not the model's.
  absl::StatusOr<ServedModel> Remove(std::string_view name, std::string_view digest = {});

  // Nothing is added any more.
  void Close();

  // `listener` is told of every model that is served now, and of each that comes and goes from here
  // on, in order. It is short and does not call the set. Empty: nobody is told any more.
  using Listener = std::function<void(std::string_view name, bool is_served)>;
  void SetListener(Listener listener);

  // Null where there is none.
  ServedModel Find(std::string_view name) const;
  // NOT_FOUND, with an ErrorInfo.
  absl::StatusOr<ServedModel> Get(std::string_view name) const;
  // In order of name.
  std::vector<ServedModel> models() const;

 private:
  using Served = std::map<std::string, std::shared_ptr<EngineModel>, std::less<>>;

  absl::Status Reserve(const std::string& name, IfThere if_there);
  std::optional<uint32_t> NumberOf(const std::string& name) const;
  void GiveUp(const std::shared_ptr<EngineModel>& model);

  Engine& engine_;
  HeatKeeper* const heat_;
  const size_t max_models_;

  mutable Mutex mutex_;
  Served served_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> coming_ ABSL_GUARDED_BY(mutex_);  // names that are just being added
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  Listener listener_ ABSL_GUARDED_BY(mutex_);
};

// NOT_FOUND, with an ErrorInfo.
absl::Status NotServed(std::string_view name);

// FAILED_PRECONDITION, with an ErrorInfo, where the model has another digest.
absl::Status CheckDigest(const CompressedModel& model, std::string_view digest);

}  // namespace ecf8

#endif  // ECF8_LOADER_SERVE_MODEL_SET_H_
