#include "rpc/listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "rpc/listening_sockets.h"
#include "tests/rpc/test_server.h"
#include "tests/support/status_matchers.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::IsOk;
using ::ecf8::testing::Within20s;

class ListenerTest : public ::testing::Test {
 protected:
  void Start(const ConnectionLimits& limits) {
    std::vector<Descriptor> sockets;
    sockets.push_back(*ListenOnUnix(path_, std::nullopt));
    ListenerOptions options{.limits = limits};
    options.hand_over = [this](int /*listener_fd*/, int fd) {
      ++handed_over_;
      if (closes_) close(fd);
    };
    auto listener = Listener::Start(std::move(sockets), std::move(options));
    ASSERT_THAT(listener, IsOk());
    listener_ = *std::move(listener);
  }

  Descriptor Connect() const {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
    Descriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      return {};
    }
    return fd;
  }

  testing::TempDir directory_;
  const std::string path_ = directory_ / "s";
  std::atomic<int> handed_over_ = 0;
  std::atomic<bool> closes_ = true;
  std::unique_ptr<Listener> listener_;
};

TEST_F(ListenerTest, HandsOverManyMoreThanAreOpenAtOnce) {
  Start({.max_connections = 3, .max_peer_connections = 3});
  for (int i = 1; i <= 50; ++i) {
    // Each is gone before the next comes, so that there is always room; the table looks at most
    // every 20 ms.
    ASSERT_TRUE(Within20s([&] {
      const Descriptor connection = Connect();
      listener_->WaitForLoop();
      return handed_over_ >= i;
    }));
  }
  EXPECT_TRUE(Within20s([&] { return listener_->stats().open == 0; }));
  EXPECT_EQ(listener_->stats().accepted, static_cast<uint64_t>(handed_over_));
}

TEST_F(ListenerTest, AnswersWhoeverAsksUntilItStopsAndAfter) {
  Start({});
  std::vector<std::thread> askers;
  for (int i = 0; i < 4; ++i) {
    askers.emplace_back([this] {
      for (int turn = 0; turn < 200; ++turn) listener_->WaitForLoop();
    });
  }
  const Descriptor connection = Connect();
  EXPECT_TRUE(Within20s([&] { return handed_over_ == 1; }));
  listener_->Stop();
  for (std::thread& asker : askers) asker.join();
  listener_->WaitForLoop();
  const Descriptor later = Connect();
  EXPECT_TRUE(later) << "it waits in the socket, for another";
  EXPECT_EQ(handed_over_, 1);
  listener_->Stop();
}

}  // namespace
}  // namespace ecf8
