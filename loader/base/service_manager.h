// The service manager that this program was started by, where there is one: systemd, or whoever
// speaks its protocol (sd_notify(3), sd_listen_fds(3)). What a program has to say to it fits into a
// datagram, so there is no library behind this.
#ifndef ECF8_LOADER_BASE_SERVICE_MANAGER_H_
#define ECF8_LOADER_BASE_SERVICE_MANAGER_H_

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "loader/base/descriptor_store.h"

namespace ecf8 {

// Thread-compatible.
class ServiceManager final : public DescriptorStore {
 public:
  // From NOTIFY_SOCKET, and LISTEN_... and WATCHDOG_..., all of which it takes out of the
  // environment: to be called once, before there are threads. Null where there is nothing of these.
  static std::unique_ptr<ServiceManager> FromEnvironment();

  // Whether it can be told anything, and so stores descriptors: one that only passes sockets
  // cannot.
  bool listens() const { return !socket_.empty(); }

  // Says `state`: lines such as READY=1. Thread-safe. OK where nobody listens.
  absl::Status Notify(const std::string& state) const;

  // The descriptors for which `wanted` returns true, once: sockets that it listens on for us. They
  // have no names that could be relied on.
  std::vector<Descriptor> TakeIf(bool (*wanted)(int fd));

  // How often WATCHDOG=1 has to be said at least; 0: need not.
  std::chrono::microseconds watchdog_timeout() const { return watchdog_timeout_; }

  Descriptor Take(const std::string& name) override;
  absl::Status Put(const std::string& name, const Descriptor& descriptor) override;
  void Remove(const std::string& name) override;

 private:
  explicit ServiceManager(std::string socket) : socket_(std::move(socket)) {}

  // `fd`: that goes with it; -1: none.
  absl::Status Send(const std::string& state, int fd) const;

  const std::string socket_;  // its path; one that begins with @ is an abstract name; may be empty
  std::multimap<std::string, Descriptor> received_;
  std::chrono::microseconds watchdog_timeout_{0};
};

}  // namespace ecf8

#endif  // ECF8_LOADER_BASE_SERVICE_MANAGER_H_
