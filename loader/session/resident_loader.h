// Brings resident models into slots, one preload a model and form, whoever opened them and has left
// since.
#ifndef ECF8_LOADER_SESSION_RESIDENT_LOADER_H_
#define ECF8_LOADER_SESSION_RESIDENT_LOADER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "loader/base/mutex.h"
#include "loader/base/worker_pool.h"
#include "loader/engine/engine.h"
#include "loader/serve/preload_task.h"

namespace ecf8 {

// Thread-safe. One task a model and form is in the pool, at most.
class ResidentLoader {
 public:
  // Told of each load's end, on a worker.
  using OnEnd = std::function<void(const CompressedModel& model,
                                   const absl::StatusOr<PreloadProgress>& progress)>;

  // `engine` and `pool` outlive it; the pool's tasks are done before it goes.
  ResidentLoader(Engine& engine, WorkerPool& pool, OnEnd on_end)
      : engine_(engine), pool_(pool), on_end_(std::move(on_end)) {}
  ResidentLoader(const ResidentLoader&) = delete;
  ResidentLoader& operator=(const ResidentLoader&) = delete;

  // Begins with what of the model, which is pinned, is not in slots, unless that is under way. At a
  // unit that fails it ends: that one and the rest are left to whoever asks for them.
  void Load(const std::shared_ptr<const EngineModel>& model, UnitForm form);

  // Ends all loads; none begins any more.
  void Stop();

 private:
  using Key = std::pair<uint32_t, UnitForm>;  // the model's number

  void OnNews(const Key& key, const CompressedModel& model,
              const absl::StatusOr<PreloadProgress>& progress);

  Engine& engine_;
  WorkerPool& pool_;
  const OnEnd on_end_;

  Mutex mutex_;
  std::map<Key, std::shared_ptr<PreloadTask>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_SESSION_RESIDENT_LOADER_H_
