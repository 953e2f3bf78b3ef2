// A fixed number of threads behind a bounded queue.
#ifndef ECF8_LOADER_BASE_WORKER_POOL_H_
#define ECF8_LOADER_BASE_WORKER_POOL_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "loader/base/mutex.h"

namespace ecf8 {

// Thread-safe. Tasks begin in the order in which they were submitted.
class WorkerPool {
 public:
  // `threads` of 0: one a core. At most `queue_capacity` tasks wait.
  WorkerPool(int threads, size_t queue_capacity);
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Runs every task that was taken, then joins the threads. No task may be submitted meanwhile
  // but by a task, which is refused.
  ~WorkerPool();

  // False where the queue is full or the pool is ending: the task was not taken. Never blocks.
  [[nodiscard]] bool TrySubmit(std::function<void()> task);

  size_t thread_count() const { return threads_.size(); }

 private:
  void Run();

  const size_t queue_capacity_;
  Mutex mutex_;
  CondVar work_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_BASE_WORKER_POOL_H_
