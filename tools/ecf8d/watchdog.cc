#include "tools/ecf8d/watchdog.h"

#include "decoder/status_macros.h"
#include "loader/base/thread.h"

namespace ecf8 {

absl::StatusOr<std::unique_ptr<Watchdog>> Watchdog::Start(
    const ServiceManager& manager, std::function<void()> wait_until_answering) {
  if (manager.watchdog_timeout().count() == 0) return nullptr;
  std::unique_ptr<Watchdog> watchdog(new Watchdog(manager, std::move(wait_until_answering)));
  ECF8_ASSIGN_OR_RETURN(watchdog->thread_, StartThread("no thread for the watchdog",
                                                       [raw = watchdog.get()] { raw->Run(); }));
  return watchdog;
}

Watchdog::~Watchdog() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    ending_news_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

void Watchdog::Run() {
  const auto interval = manager_.watchdog_timeout() / 2;
  while (true) {
    wait_until_answering_();
    // A manager that is gone does not wait for it.
    manager_.Notify("WATCHDOG=1").IgnoreError();
    const auto next = std::chrono::steady_clock::now() + interval;
    MutexLock lock(mutex_);
    while (!ending_ && std::chrono::steady_clock::now() < next) ending_news_.WaitUntil(lock, next);
    if (ending_) return;
  }
}

}  // namespace ecf8
