#include "loader/base/ordered_pipeline.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "decoder/status_macros.h"
#include "loader/base/mutex.h"
#include "loader/base/thread.h"

namespace ecf8 {
namespace {

class Pipeline {
 public:
  explicit Pipeline(const OrderedJob& job)
      : job_(job),
        ring_size_(std::clamp<size_t>(job.max_in_flight, 1, job.item_count)),
        results_(ring_size_) {}

  absl::Status Run() {
    std::vector<std::thread> threads;
    absl::Status status = StartWorkers(threads);
    if (status.ok()) status = ConsumeAll();
    Stop();
    for (std::thread& thread : threads) thread.join();
    return status;
  }

 private:
  absl::Status StartWorkers(std::vector<std::thread>& threads) {
    const size_t wanted = static_cast<size_t>(std::max(job_.threads, 1));
    const size_t count = std::min(wanted, ring_size_);
    threads.reserve(count);
    for (size_t worker = 0; worker < count; ++worker) {
      ECF8_ASSIGN_OR_RETURN(
          std::thread thread,
          StartThread(absl::StrCat("cannot start thread ", worker + 1, " of ", count),
                      [this, worker] { Work(static_cast<int>(worker)); }));
      threads.push_back(std::move(thread));
    }
    return absl::OkStatus();
  }

  // The body of a worker.
  void Work(int worker) {
    while (const std::optional<size_t> index = ClaimNext()) {
      absl::Status status = job_.work(*index, worker);
      MutexLock lock(mutex_);
      if (!status.ok()) item_limit_ = std::min(item_limit_, *index + 1);
      results_[*index % ring_size_] = std::move(status);
      // Only the consumer waits for results, and only for one of them.
      if (*index == consumed_) result_ready_.NotifyOne();
    }
  }

  // The next item to work on, when there is room for it; nullopt when there is nothing left to do.
  std::optional<size_t> ClaimNext() {
    MutexLock lock(mutex_);
    while (!stopped_ && claimed_ < item_limit_ && claimed_ - consumed_ >= ring_size_) {
      room_.Wait(lock);
    }
    if (IsCancelled()) {
      stopped_ = true;
      result_ready_.NotifyOne();
      room_.NotifyAll();
    }
    if (stopped_ || claimed_ >= item_limit_) return std::nullopt;
    return claimed_++;
  }

  absl::Status ConsumeAll() {
    for (size_t index = 0; index < job_.item_count; ++index) {
      absl::Status status = TakeResult(index);
      if (status.ok()) status = job_.consume(index);
      if (!status.ok()) return status;
      MutexLock lock(mutex_);
      consumed_ = index + 1;
      room_.NotifyOne();
    }
    return absl::OkStatus();
  }

  absl::Status TakeResult(size_t index) {
    MutexLock lock(mutex_);
    std::optional<absl::Status>& slot = results_[index % ring_size_];
    while (!stopped_ && !slot.has_value()) result_ready_.Wait(lock);
    if (stopped_ || IsCancelled()) return absl::CancelledError("cancelled");
    return *std::exchange(slot, std::nullopt);
  }

  void Stop() {
    MutexLock lock(mutex_);
    stopped_ = true;
    room_.NotifyAll();
  }

  bool IsCancelled() const { return job_.cancel != nullptr && job_.cancel->load(); }

  const OrderedJob& job_;
  const size_t ring_size_;  // max_in_flight, but no more than there are items

  Mutex mutex_;
  CondVar result_ready_;
  CondVar room_;
  size_t claimed_ ABSL_GUARDED_BY(mutex_) = 0;   // items whose work has begun
  size_t consumed_ ABSL_GUARDED_BY(mutex_) = 0;  // items whose consume has returned
  // Items at and beyond it are not begun: an error before them has made them useless.
  size_t item_limit_ ABSL_GUARDED_BY(mutex_) = job_.item_count;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  // The result of item i, between its work and its consume, is at i modulo ring_size_.
  std::vector<std::optional<absl::Status>> results_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::Status RunOrdered(const OrderedJob& job) {
  if (job.item_count == 0) return absl::OkStatus();
  return Pipeline(job).Run();
}

}  // namespace ecf8
