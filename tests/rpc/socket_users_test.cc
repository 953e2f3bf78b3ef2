// Another user at the Unix socket: by its mode, its group, and the list of users. The other user is
// a child process; so this needs root, and is skipped without.

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/rpc/test_server.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;

constexpr uid_t kOther = 54'321;
constexpr gid_t kGroup = 54'322;
constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum Outcome { kServed = 10, kClosed = 11, kNoWay = 12, kBroken = 13 };

class SocketUsersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root can be another user";
    ASSERT_EQ(chmod(directory_.path().c_str(), 0711), 0);
    testing::MakeCompressedModel(directory_.path(), "small");
    options_.address.socket_path = directory_ / "s.sock";
    options_.engine = testing::SmallEngine();
  }

  void Start() {
    server_.reset();
    auto server = Server::Start({testing::OpenModel(directory_ / "small")}, options_);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }

  // Runs `body` as a process of kOther, in kGroup; its exit status.
  template <typename Body>
  static int AsOther(Body body) {
    const pid_t child = fork();
    if (child == 0) {
      if (setgroups(0, nullptr) != 0 || setgid(kGroup) != 0 || setuid(kOther) != 0) _exit(kBroken);
      _exit(body());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  }

  // What it finds at the socket `path`.
  static int Try(const std::string& path) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size());
    return AsOther([&]() -> int {
      const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
      if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
        return errno == EACCES ? kNoWay : kBroken;
      }
      [[maybe_unused]] const ssize_t sent = send(fd, kPreface, sizeof(kPreface) - 1, MSG_NOSIGNAL);
      char byte = 0;
      return recv(fd, &byte, 1, 0) == 1 ? kServed : kClosed;
    });
  }

  void ExpectThatThisUserIsServed() const {
    const auto client = WeightClient::Connect(options_.address, std::chrono::seconds(20));
    ASSERT_THAT(client, IsOk());
    EXPECT_THAT((*client)->ListModels(), IsOk());
  }

  testing::TempDir directory_;
  ServerOptions options_;
  std::unique_ptr<Server> server_;
};

TEST_F(SocketUsersTest, TheSocketIsItsUsersAlone) {
  Start();
  EXPECT_EQ(Try(directory_ / "s.sock"), kNoWay);
  EXPECT_EQ(Try(directory_ / "s.sock.slots"), kNoWay);
  ExpectThatThisUserIsServed();
}

TEST_F(SocketUsersTest, AGroupMayOpenIt) {
  options_.socket_group = kGroup;
  Start();
  struct stat status = {};
  ASSERT_EQ(stat((directory_ / "s.sock").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0660u);
  EXPECT_EQ(status.st_gid, kGroup);
  EXPECT_EQ(Try(directory_ / "s.sock"), kServed);
  options_.socket_group = kGroup + 1;
  Start();
  EXPECT_EQ(Try(directory_ / "s.sock"), kNoWay);
  ExpectThatThisUserIsServed();
}

TEST_F(SocketUsersTest, OfThoseWhoMayOpenItSomeAreTaken) {
  options_.socket_group = kGroup;
  options_.socket_users = {kOther};
  Start();
  EXPECT_EQ(Try(directory_ / "s.sock"), kServed);
  options_.socket_users = {kOther + 1};
  Start();
  EXPECT_EQ(Try(directory_ / "s.sock"), kClosed);
  EXPECT_EQ(server_->connection_stats().refused_strangers, 1u);
  ExpectThatThisUserIsServed();
}

// What its clients are told, who would look in vain for a daemon that does not run.
TEST_F(SocketUsersTest, WhoMayNotOpenItIsToldWhoMay) {
  const std::string path = directory_ / "s.sock";
  // That status, of a process of kOther, says this.
  const auto told = [&path](const std::string& what) {
    return AsOther([&]() -> int {
             const absl::Status status = CheckMayConnect(path);
             return absl::IsPermissionDenied(status) &&
                            status.message() == "permission denied at unix:" + path + ": " + what
                        ? kNoWay
                        : kServed;
           }) == kNoWay;
  };
  EXPECT_EQ(AsOther([&] { return CheckMayConnect(path).ok() ? kServed : kNoWay; }), kServed)
      << "nobody is there";
  Start();
  EXPECT_TRUE(told("it is open to user root alone"));
  options_.socket_group = 0;
  Start();
  EXPECT_TRUE(told("it is open to user root and group root"));
  options_.socket_group = kGroup + 1;
  Start();
  EXPECT_TRUE(told("it is open to user root and group " + std::to_string(kGroup + 1)));
  EXPECT_THAT(CheckMayConnect(path), IsOk());
  options_.socket_group = kGroup;
  Start();
  EXPECT_EQ(AsOther([&] { return CheckMayConnect(path).ok() ? kServed : kNoWay; }), kServed);
  ASSERT_EQ(chmod(directory_.path().c_str(), 0710), 0);
  const std::string gate = std::filesystem::path(directory_.path()).lexically_normal();
  EXPECT_TRUE(told(gate + " is open to user root and group root"));
}

}  // namespace
}  // namespace ecf8
