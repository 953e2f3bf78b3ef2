// A preload that runs on a pool of workers: a step whenever the engine has news of it.
#ifndef ECF8_LOADER_SERVE_PRELOAD_TASK_H_
#define ECF8_LOADER_SERVE_PRELOAD_TASK_H_

#include <functional>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "loader/base/mutex.h"
#include "loader/base/worker_pool.h"
#include "loader/serve/preload.h"

namespace ecf8 {

// Thread-safe. At most one task of it is in the pool.
class PreloadTask : public std::enable_shared_from_this<PreloadTask> {
 public:
  // `resumes_at_ns`: 0, or when Wake is to be called, on std::chrono::steady_clock, for it to go
  // on.
  using News =
      std::function<void(const absl::StatusOr<PreloadProgress>& progress, int64_t resumes_at_ns)>;

  // `engine` and `pool` outlive it. `on_news` is told how far it is, after each step, one call
  // after the other; last of all is_done or an error. It may be called once while Stop is. It must
  // not call Start or Stop.
  PreloadTask(Engine& engine, PreloadOrder order, WorkerPool& pool, News on_news);

  // To be called once. Nothing happens where Stop was before.
  void Start();

  // Ends it, and gives everything back: now, or at the end of the step at hand.
  void Stop();

  // It has a look, if it is not at its end.
  void Wake();

 private:
  void Submit();
  void Step();

  Engine& engine_;
  WorkerPool& pool_;
  const News on_news_;
  PreloadOrder order_;              // until Start
  std::optional<Preload> preload_;  // from Start on; his who steps

  Mutex mutex_;
  bool stepping_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_SERVE_PRELOAD_TASK_H_
