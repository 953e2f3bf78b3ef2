// A daemon whose sockets are the service manager's: they are there before it, and after it.

#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "loader/base/descriptor.h"
#include "tests/support/fake_service_manager.h"
#include "tests/tools/daemon_fixture.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::FakeServiceManager;
using ::ecf8::testing::kDaemon;
using ::ecf8::testing::RunResult;
using ::ecf8::testing::Subprocess;
using ::ecf8::testing::SubprocessGifts;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr std::string_view kPreface("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

// As systemd makes it: it blocks.
Descriptor Listen(const std::string& path) {
  Descriptor listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = AddressOf(path);
  EXPECT_EQ(bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(listen(listener.get(), 16), 0);
  return listener;
}

class DaemonActivationTest : public testing::DaemonTest {
 protected:
  // With both sockets, and with nobody to notify where `notify` is false.
  std::unique_ptr<Subprocess> StartPassed(bool notify) const {
    SubprocessGifts gifts{
        .environment = {"LISTEN_FDS=2", "LISTEN_FDNAMES=ecf8d.socket:ecf8d.socket"},
        .descriptors = {listener_.get(), slot_listener_.get()}};
    if (notify) gifts.environment.push_back("NOTIFY_SOCKET=" + manager_.address());
    return std::make_unique<Subprocess>(
        std::vector<std::string>{"/bin/sh", "-c", "LISTEN_PID=$$ exec \"$@\"", "sh", kDaemon,
                                 "--listen", "unix:" + socket_, "--model-dir", directory_ / "small",
                                 "--host-budget", "64MiB"},
        gifts);
  }

  Descriptor Connect(const std::string& path) const {
    Descriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = AddressOf(path);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }
  // Whether whoever is at the other end says anything within 30 s.
  static bool IsAnswered(const Descriptor& connection) {
    pollfd one = {connection.get(), POLLIN, 0};
    char byte = 0;
    return poll(&one, 1, 30'000) == 1 && recv(connection.get(), &byte, 1, 0) == 1;
  }

  FakeServiceManager manager_{directory_ / "notify"};
  const Descriptor listener_ = Listen(socket_);
  const Descriptor slot_listener_ = Listen(socket_ + ".slots");
};

TEST_F(DaemonActivationTest, ServesAtTheSocketsThatItWasPassed) {
  for (const bool notify : {true, false}) {
    const auto daemon = StartPassed(notify);
    ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
    EXPECT_EQ(Ask({"fetch", "small"}).exit_status, 0);
    // Slots, too: a session of one walk.
    const RunResult walk = Ask({"models"});
    EXPECT_THAT(walk.out, HasSubstr("small"));
    const Descriptor slots = Connect(socket_ + ".slots");
    constexpr std::string_view kNonsense =
        "not a hello, though it is long enough to be taken for one";
    send(slots.get(), kNonsense.data(), kNonsense.size(), MSG_NOSIGNAL);
    EXPECT_TRUE(IsAnswered(slots)) << "refused, but heard";
    daemon->Signal(SIGTERM);
    EXPECT_EQ(daemon->Wait(), 0) << daemon->Stderr();
    EXPECT_TRUE(std::filesystem::exists(socket_)) << "the manager's";
    EXPECT_FALSE(std::filesystem::exists(socket_ + ".lock"));
  }
  manager_.Hear();
  EXPECT_THAT(manager_.states(), Contains("READY=1"));
  EXPECT_THAT(manager_.states(), Contains("STATUS=serves 1 models at unix:" + socket_));
  EXPECT_THAT(manager_.states(), Contains("STOPPING=1"));
}

// A restart costs a client that comes meanwhile some time, and no error.
TEST_F(DaemonActivationTest, WhoComesBetweenTwoDaemonsWaits) {
  {
    const auto daemon = StartPassed(true);
    ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
    daemon->Signal(SIGTERM);
    EXPECT_EQ(daemon->Wait(), 0);
  }
  const Descriptor early = Connect(socket_);
  send(early.get(), kPreface.data(), kPreface.size(), MSG_NOSIGNAL);
  const auto daemon = StartPassed(true);
  EXPECT_TRUE(IsAnswered(early)) << daemon->Stderr();
}

TEST_F(DaemonActivationTest, SocketsElsewhereAreNotUsed) {
  const Descriptor elsewhere = Listen(directory_ / "elsewhere");
  SubprocessGifts gifts{.environment = {"LISTEN_FDS=1"}, .descriptors = {elsewhere.get()}};
  std::filesystem::remove(socket_);
  Subprocess daemon({"/bin/sh", "-c", "LISTEN_PID=$$ exec \"$@\"", "sh", kDaemon, "--listen",
                     "unix:" + (directory_ / "own"), "--model-dir", directory_ / "small"},
                    gifts);
  ASSERT_TRUE(IsUp(daemon)) << daemon.Stderr();
  EXPECT_THAT(daemon.Stderr(), HasSubstr("1 sockets that were passed are not where"));
  EXPECT_EQ(
      testing::RunProgram({testing::kCli, "models", "--daemon", "unix:" + (directory_ / "own")})
          .exit_status,
      0);
}

}  // namespace
}  // namespace ecf8
