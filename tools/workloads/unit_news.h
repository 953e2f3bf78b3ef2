// Lets a thread wait for what the engine tells its holders.
#ifndef ECF8_TOOLS_WORKLOADS_UNIT_NEWS_H_
#define ECF8_TOOLS_WORKLOADS_UNIT_NEWS_H_

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "loader/base/mutex.h"
#include "loader/engine/held_unit.h"

namespace ecf8 {

// Thread-safe, for one thread that waits. It is woken when the unit that it waits for is there, not
// for each part of it.
class UnitNews {
 public:
  // For UnitRequest::on_progress. Shares `news`: a callback may still run when its hold is given
  // back.
  static std::function<void()> Teller(std::shared_ptr<UnitNews> news) {
    return [news = std::move(news)] {
      MutexLock lock(news->mutex_);
      if (news->awaited_ != nullptr && HasEnded(*news->awaited_)) news->ended_.NotifyOne();
    };
  }

  // OK when all of the unit is there, else why it will not come.
  absl::Status WaitUntilReady(const HeldUnit& held) {
    MutexLock lock(mutex_);
    awaited_ = &held;
    while (!HasEnded(held)) ended_.Wait(lock);
    awaited_ = nullptr;
    return held.status();
  }
  // Whether WaitUntilReady would return at once, by `deadline` at the latest.
  bool WaitUntil(const HeldUnit& held, std::chrono::steady_clock::time_point deadline) {
    MutexLock lock(mutex_);
    awaited_ = &held;
    while (!HasEnded(held) && ended_.WaitUntil(lock, deadline)) continue;
    awaited_ = nullptr;
    return HasEnded(held);
  }

 private:
  static bool HasEnded(const HeldUnit& held) { return held.ready() || !held.status().ok(); }

  Mutex mutex_;
  CondVar ended_;
  const HeldUnit* awaited_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_WORKLOADS_UNIT_NEWS_H_
