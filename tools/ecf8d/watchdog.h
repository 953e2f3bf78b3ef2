// Tells the service manager that the daemon lives, as long as it answers.
#ifndef ECF8_TOOLS_ECF8D_WATCHDOG_H_
#define ECF8_TOOLS_ECF8D_WATCHDOG_H_

#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "loader/base/mutex.h"
#include "loader/base/service_manager.h"

namespace ecf8 {

class Watchdog {
 public:
  // Null where the manager watches nothing. `wait_until_answering` returns when the daemon has done
  // some work, and is called before each sign of life. The manager, and what it calls, outlive the
  // watchdog. RESOURCE_EXHAUSTED where there is no thread.
  static absl::StatusOr<std::unique_ptr<Watchdog>> Start(
      const ServiceManager& manager, std::function<void()> wait_until_answering);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  // Waits for a daemon that does not answer, which the manager ends.
  ~Watchdog();

 private:
  Watchdog(const ServiceManager& manager, std::function<void()> wait_until_answering)
      : manager_(manager), wait_until_answering_(std::move(wait_until_answering)) {}

  void Run();

  const ServiceManager& manager_;
  const std::function<void()> wait_until_answering_;
  Mutex mutex_;
  CondVar ending_news_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8D_WATCHDOG_H_
