// Tells the service manager that the daemon lives, as long as the engine's loop answers.
#ifndef ECF8_TOOLS_ECF8D_WATCHDOG_H_
#define ECF8_TOOLS_ECF8D_WATCHDOG_H_

#include <chrono>
#include <memory>
#include <thread>

#include "absl/status/statusor.h"
#include "loader/base/mutex.h"
#include "loader/base/service_manager.h"
#include "rpc/server.h"

namespace ecf8 {

class Watchdog {
 public:
  // Null where the manager watches nothing. Both outlive the watchdog. RESOURCE_EXHAUSTED where
  // there is no thread.
  static absl::StatusOr<std::unique_ptr<Watchdog>> Start(const ServiceManager& manager,
                                                         Server& server);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  // Waits for a loop that does not answer, which the manager ends.
  ~Watchdog();

 private:
  Watchdog(const ServiceManager& manager, Server& server) : manager_(manager), server_(server) {}

  void Run();

  const ServiceManager& manager_;
  Server& server_;
  Mutex mutex_;
  CondVar ending_news_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8D_WATCHDOG_H_
