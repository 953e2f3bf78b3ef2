#include "loader/base/worker_pool.h"

#include <algorithm>
#include <utility>

namespace ecf8 {

WorkerPool::WorkerPool(int threads, size_t queue_capacity) : queue_capacity_(queue_capacity) {
  const unsigned cores = std::max(std::thread::hardware_concurrency(), 1u);
  const unsigned count = threads > 0 ? static_cast<unsigned>(threads) : cores;
  for (unsigned i = 0; i < count; ++i) threads_.emplace_back([this] { Run(); });
}

WorkerPool::~WorkerPool() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
  }
  work_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
}

bool WorkerPool::TrySubmit(std::function<void()> task) {
  {
    MutexLock lock(mutex_);
    if (ending_ || queue_.size() >= queue_capacity_) return false;
    queue_.push_back(std::move(task));
  }
  work_.NotifyOne();
  return true;
}

void WorkerPool::Run() {
  while (true) {
    std::function<void()> task;
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && !ending_) work_.Wait(lock);
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    task();
  }
}

}  // namespace ecf8
