#include "loader/serve/preload_task.h"

#include <utility>

#include "loader/serve/queue_full.h"

namespace ecf8 {

PreloadTask::PreloadTask(Engine& engine, PreloadOrder order, WorkerPool& pool, News on_news)
    : engine_(engine), pool_(pool), on_news_(std::move(on_news)), order_(std::move(order)) {}

void PreloadTask::Start() {
  {
    MutexLock lock(mutex_);
    if (ended_) return;
    preload_.emplace(engine_, std::move(order_), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->Wake();
    });
  }
  Wake();
}

void PreloadTask::Wake() {
  {
    MutexLock lock(mutex_);
    woken_ = true;
    if (stepping_ || ended_) return;
    stepping_ = true;
  }
  Submit();
}

void PreloadTask::Submit() {
  if (pool_.TrySubmit([self = shared_from_this()] { self->Step(); })) return;
  preload_->Stop();
  {
    MutexLock lock(mutex_);
    stepping_ = false;
    if (std::exchange(ended_, true)) return;
  }
  on_news_(QueueIsFull(), 0);
}

void PreloadTask::Step() {
  bool is_over = false;
  {
    MutexLock lock(mutex_);
    woken_ = false;
    is_over = ended_;
  }
  if (!is_over) {
    const absl::StatusOr<PreloadProgress> progress = preload_->Advance();
    is_over = !progress.ok() || progress->is_done;
    on_news_(progress, is_over ? 0 : preload_->resumes_at_ns());
  }
  bool again = false;
  {
    MutexLock lock(mutex_);
    ended_ = ended_ || is_over;
    is_over = ended_;
    again = woken_ && !ended_;
    stepping_ = again;
  }
  if (is_over) preload_->Stop();
  if (again) Submit();
}

void PreloadTask::Stop() {
  {
    MutexLock lock(mutex_);
    if (std::exchange(ended_, true) || stepping_ || !preload_) return;
  }
  preload_->Stop();
}

}  // namespace ecf8
