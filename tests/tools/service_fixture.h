// The daemon as a service manager of the test's own starts it: with a place to notify, and with all
// the descriptors that it has stored.
#ifndef ECF8_TESTS_TOOLS_SERVICE_FIXTURE_H_
#define ECF8_TESTS_TOOLS_SERVICE_FIXTURE_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/support/fake_service_manager.h"
#include "tests/tools/daemon_fixture.h"

namespace ecf8::testing {

class ServiceTest : public DaemonTest {
 protected:
  std::unique_ptr<Subprocess> StartAsService(std::vector<std::string> flags) {
    manager_.Hear();
    SubprocessGifts gifts{.environment = {"NOTIFY_SOCKET=" + manager_.address()}};
    std::string names;
    for (const std::string& name : manager_.Names()) {
      gifts.descriptors.push_back(manager_.fd(name));
      names += (names.empty() ? "" : ":") + name;
    }
    gifts.environment.push_back("LISTEN_FDNAMES=" + names);
    if (watchdog_) gifts.environment.push_back("WATCHDOG_USEC=40000");
    gifts.environment.push_back("LISTEN_FDS=" + std::to_string(gifts.descriptors.size()));
    std::vector<std::string> arguments = {
        "/bin/sh", "-c",       "LISTEN_PID=$$ exec \"$@\"", "sh",
        kDaemon,   "--listen", "unix:" + socket_,           "--decode-threads",
        "1"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return std::make_unique<Subprocess>(arguments, gifts);
  }

  FakeServiceManager manager_{directory_ / "notify"};
  bool watchdog_ = false;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_TOOLS_SERVICE_FIXTURE_H_
