#include "tools/ecf8d/watchdog.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "tests/support/fake_service_manager.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using std::chrono::milliseconds;

class WatchdogTest : public ::testing::Test {
 protected:
  WatchdogTest() {
    setenv("NOTIFY_SOCKET", fake_.address().c_str(), 1);
    setenv("WATCHDOG_USEC", "20000", 1);
    manager_ = ServiceManager::FromEnvironment();
  }

  size_t SignsOfLife() {
    fake_.Hear();
    return fake_.states().size();
  }
  bool Comes(size_t signs) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (SignsOfLife() < signs) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(milliseconds(2));
    }
    return true;
  }

  testing::TempDir directory_;
  testing::FakeServiceManager fake_{directory_ / "notify"};
  std::unique_ptr<ServiceManager> manager_;
};

TEST_F(WatchdogTest, IsSilentWhileTheDaemonDoesNotAnswer) {
  ASSERT_NE(manager_, nullptr);
  Mutex mutex;  // what the daemon hangs on
  const auto watchdog = Watchdog::Start(*manager_, [&] { MutexLock lock(mutex); });
  ASSERT_TRUE(watchdog.ok()) << watchdog.status();
  EXPECT_TRUE(Comes(3));
  {
    MutexLock hangs(mutex);
    std::this_thread::sleep_for(milliseconds(50));  // for one that was on its way
    const size_t before = SignsOfLife();
    std::this_thread::sleep_for(milliseconds(200));
    EXPECT_LE(SignsOfLife(), before + 1);
  }
  EXPECT_TRUE(Comes(SignsOfLife() + 3));
  for (const std::string& state : fake_.states()) EXPECT_EQ(state, "WATCHDOG=1");
}

TEST_F(WatchdogTest, IsNoneWhereNobodyWatches) {
  setenv("NOTIFY_SOCKET", fake_.address().c_str(), 1);
  const auto unwatched = ServiceManager::FromEnvironment();
  const auto watchdog = Watchdog::Start(*unwatched, [] {});
  ASSERT_TRUE(watchdog.ok());
  EXPECT_EQ(*watchdog, nullptr);
}

}  // namespace
}  // namespace ecf8
