#include "python/src/native/parallel.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

#include "loader/base/mutex.h"
#include "loader/base/worker_pool.h"

namespace ecf8::python {
namespace {

constexpr size_t kMaxHelpers = 15;
constexpr size_t kMaxWaiting = 64;

// Helpers may come when all is done, or never: nobody waits for one that has not begun.
struct Work {
  explicit Work(size_t n, const std::function<void(size_t)>& f) : count(n), body(f) {}

  const size_t count;
  const std::function<void(size_t)>& body;  // not touched when no number is left
  std::atomic<size_t> next = 0;
  Mutex mutex;
  CondVar all_done;
  size_t done ABSL_GUARDED_BY(mutex) = 0;

  void TakePart() {
    size_t mine = 0;
    for (size_t i = next++; i < count; i = next++, ++mine) body(i);
    if (mine == 0) return;
    MutexLock lock(mutex);
    done += mine;
    if (done == count) all_done.NotifyAll();
  }
};

// Null where there are none: on one core, and in a child of the process that started them.
WorkerPool* Helpers() {
  static const size_t cores = std::max(1U, std::thread::hardware_concurrency());
  if (cores == 1) return nullptr;
  static const pid_t starter = getpid();
  // Never destroyed: threads of a process that ends may be in it.
  static auto* const pool =
      new WorkerPool(static_cast<int>(std::min(cores - 1, kMaxHelpers)), kMaxWaiting);
  return getpid() == starter ? pool : nullptr;
}

}  // namespace

void ParallelFor(size_t count, const std::function<void(size_t)>& body) {
  WorkerPool* const helpers = count > 1 ? Helpers() : nullptr;
  const auto work = std::make_shared<Work>(count, body);
  if (helpers != nullptr) {
    for (size_t i = 0; i < std::min(count - 1, helpers->thread_count()); ++i) {
      if (!helpers->TrySubmit([work] { work->TakePart(); })) break;
    }
  }
  work->TakePart();
  MutexLock lock(work->mutex);
  while (work->done < work->count) work->all_done.Wait(lock);
}

}  // namespace ecf8::python
