#include "loader/base/service_manager.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "tests/support/fake_service_manager.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::FakeServiceManager;
using ::ecf8::testing::IsOk;
using ::ecf8::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::unique_ptr<ServiceManager> WithSocket(const std::string& address) {
  setenv("NOTIFY_SOCKET", address.c_str(), 1);
  return ServiceManager::FromEnvironment();
}

TEST(ServiceManager, WithoutASocketThereIsNone) {
  unsetenv("NOTIFY_SOCKET");
  EXPECT_EQ(ServiceManager::FromEnvironment(), nullptr);
  EXPECT_EQ(WithSocket(""), nullptr);
  EXPECT_EQ(WithSocket("vsock:2:1"), nullptr);
}

TEST(ServiceManager, KnowsWhetherItIsWatched) {
  const auto timeout_us = [](const char* pid, const char* us) {
    pid == nullptr ? unsetenv("WATCHDOG_PID") : setenv("WATCHDOG_PID", pid, 1);
    us == nullptr ? unsetenv("WATCHDOG_USEC") : setenv("WATCHDOG_USEC", us, 1);
    return WithSocket("/nowhere")->watchdog_timeout().count();
  };
  EXPECT_EQ(timeout_us(nullptr, nullptr), 0);
  EXPECT_EQ(timeout_us(nullptr, "30000000000"), 30'000'000'000);
  EXPECT_EQ(getenv("WATCHDOG_USEC"), nullptr);
  EXPECT_EQ(timeout_us(std::to_string(getpid()).c_str(), "5"), 5);
  EXPECT_EQ(timeout_us("1", "5"), 0);
  EXPECT_EQ(timeout_us(nullptr, "-5"), 0);
  EXPECT_EQ(timeout_us(nullptr, "x"), 0);
}

TEST(ServiceManager, SaysWhatItIsTold) {
  testing::TempDir directory;
  for (const std::string& address :
       {directory / "notify", "@ecf8-test-" + std::to_string(getpid())}) {
    FakeServiceManager fake(address);
    const auto manager = WithSocket(address);
    ASSERT_NE(manager, nullptr);
    EXPECT_EQ(getenv("NOTIFY_SOCKET"), nullptr);
    EXPECT_THAT(manager->Notify("READY=1"), IsOk());
    fake.Hear();
    EXPECT_THAT(fake.states(), ElementsAre("READY=1"));
  }
}

TEST(ServiceManager, DescriptorsAreStoredAndRemoved) {
  testing::TempDir directory;
  FakeServiceManager fake(directory / "notify");
  const auto manager = WithSocket(directory / "notify");
  const Descriptor file(memfd_create("kept", MFD_CLOEXEC));
  ASSERT_EQ(pwrite(file.get(), "hello", 5, 0), 5);
  ASSERT_THAT(manager->Put("kept", file), IsOk());
  fake.Hear();
  ASSERT_THAT(fake.Names(), ElementsAre("kept"));
  char text[5] = {};
  ASSERT_EQ(pread(fake.fd("kept"), text, 5, 0), 5);
  EXPECT_EQ(std::string(text, 5), "hello");
  manager->Remove("kept");
  fake.Hear();
  EXPECT_THAT(fake.Names(), IsEmpty());
}

TEST(ServiceManager, AManagerThatIsGoneIsAnError) {
  testing::TempDir directory;
  const auto manager = WithSocket(directory / "none");
  EXPECT_THAT(manager->Notify("READY=1"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
  const auto endless = WithSocket("/" + std::string(200, 'x'));
  EXPECT_THAT(endless->Notify("READY=1"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too long")));
}

// In a process of its own, whose descriptors from 3 on are those that a manager gives.
int ExitStatusOfChild(const std::function<int()>& child) {
  const pid_t pid = fork();
  if (pid == 0) _exit(child());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(ServiceManager, TakesWhatItWasGiven) {
  const auto child = [](const char* pid, const char* count) {
    return [pid, count] {
      const int a = memfd_create("a", 0);
      const int b = memfd_create("b", 0);
      if (pwrite(a, "a", 1, 0) != 1 || pwrite(b, "b", 1, 0) != 1) return 1;
      const int high_a = fcntl(a, F_DUPFD, 100);
      const int high_b = fcntl(b, F_DUPFD, 100);
      dup2(high_a, 3);
      dup2(high_b, 4);
      setenv("NOTIFY_SOCKET", "/nowhere", 1);
      setenv("LISTEN_PID", pid == nullptr ? std::to_string(getpid()).c_str() : pid, 1);
      setenv("LISTEN_FDS", count, 1);
      setenv("LISTEN_FDNAMES", "first:second", 1);
      const auto manager = ServiceManager::FromEnvironment();
      if (getenv("LISTEN_FDS") != nullptr || getenv("LISTEN_FDNAMES") != nullptr) return 2;
      const Descriptor second = manager->Take("second");
      if (!second) return 3;
      char byte = 0;
      if (second.get() != 4 || pread(4, &byte, 1, 0) != 1 || byte != 'b') return 4;
      if ((fcntl(4, F_GETFD) & FD_CLOEXEC) == 0) return 5;
      if (manager->Take("second")) return 6;  // once
      if (manager->Take("third")) return 7;
      return manager->Take("first").get() == 3 ? 0 : 8;
    };
  };
  EXPECT_EQ(ExitStatusOfChild(child(nullptr, "2")), 0);
  EXPECT_EQ(ExitStatusOfChild(child("1", "2")), 3) << "those of another process";
  EXPECT_EQ(ExitStatusOfChild(child(nullptr, "-2")), 3);
  EXPECT_EQ(ExitStatusOfChild(child(nullptr, "2x")), 3);
  EXPECT_EQ(ExitStatusOfChild(child(nullptr, "99999999999")), 3);
}

}  // namespace
}  // namespace ecf8
