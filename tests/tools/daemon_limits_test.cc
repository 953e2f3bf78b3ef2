// A daemon that has less of the machine than it wants: descriptors, locked memory, address space.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "loader/base/descriptor.h"
#include "tests/support/process_stats.h"
#include "tests/support/sanitizer.h"
#include "tests/support/unix_client.h"
#include "tests/support/wait.h"
#include "tests/tools/daemon_fixture.h"
#include "tests/tools/limited_daemon.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

using ::ecf8::testing::Arguments;
using ::ecf8::testing::ConnectToUnixSocket;
using ::ecf8::testing::kAddressSanitizer;
using ::ecf8::testing::kCli;
using ::ecf8::testing::kDaemon;
using ::ecf8::testing::ReadProcessStats;
using ::ecf8::testing::RunResult;
using ::ecf8::testing::Subprocess;
using ::ecf8::testing::Within20s;
using ::ecf8::testing::WithLimit;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

class DaemonLimitsTest : public testing::DaemonTest {
 protected:
  DaemonLimitsTest() {
    fs::create_directory(root_);
    testing::MakeCompressedModel(root_, "sharded",
                                 {.layers = 20, .projection_rows = 40, .shard_size_bytes = 50'000});
    fs::remove_all(root_ + "/sharded.plain");
  }

  Arguments Daemon(const Arguments& more = {}) const {
    Arguments arguments = {kDaemon,
                           "--listen",
                           "unix:" + socket_,
                           "--model-dir",
                           directory_ / "small",
                           "--model-root",
                           root_,
                           "--host-budget",
                           "16MiB",
                           "--slot-budget",
                           "16MiB",
                           "--threads",
                           "1",
                           "--decode-threads",
                           "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  // A client gets its weights, both ways.
  bool Serves() const {
    return Ask({"fetch", "small", "--verify"}).exit_status == 0 &&
           Ask({"bench", "offload", "small", "--layers", "--slots", "12MiB", "--passes", "1"})
                   .exit_status == 0;
  }
  static size_t Descriptors(const Subprocess& daemon) {
    return ReadProcessStats(daemon.pid()).descriptors;
  }
  // Of a daemon that has served, and now has nothing to do.
  size_t DescriptorsWhenIdle() const {
    Subprocess daemon(Daemon());
    EXPECT_TRUE(IsUp(daemon)) << daemon.Stderr();
    EXPECT_TRUE(Serves());
    // gRPC closes those of connections a little later than they end.
    size_t least = Descriptors(daemon);
    testing::Within(std::chrono::seconds(2), [&] {
      least = std::min(least, Descriptors(daemon));
      return false;
    });
    daemon.Signal(SIGTERM);
    EXPECT_EQ(daemon.Wait(), 0) << daemon.Stderr();
    return least;
  }

  const std::string root_ = directory_ / "models";
};

// More connections than there are descriptors: they wait, or are refused. When they have gone, the
// next client is served, and nothing is left of them.
TEST_F(DaemonLimitsTest, ConnectionsThatTakeAllDescriptors) {
  if (kAddressSanitizer) GTEST_SKIP() << "UBSan looks at memory through a pipe";
  constexpr size_t kSpare = 12;
  const size_t idle = DescriptorsWhenIdle();
  Subprocess daemon(WithLimit("nofile", idle + kSpare, Daemon()));
  ASSERT_TRUE(IsUp(daemon)) << daemon.Stderr();
  ASSERT_TRUE(Serves()) << daemon.Stderr();
  for (const std::string& path : {socket_, socket_ + ".slots"}) {
    std::vector<Descriptor> connections;
    for (int i = 0; i < 60; ++i) connections.push_back(ConnectToUnixSocket(path));
    EXPECT_TRUE(Within20s([&] { return Descriptors(daemon) >= idle + kSpare / 2; }))
        << Descriptors(daemon) << " descriptors, " << daemon.Stderr();
    connections.clear();
    EXPECT_TRUE(Within20s([&] { return Serves(); })) << daemon.Stderr();
  }
  EXPECT_TRUE(Within20s([&] { return Descriptors(daemon) <= idle; }))
      << Descriptors(daemon) << " now, " << idle << " before";
  daemon.Signal(SIGTERM);
  EXPECT_EQ(daemon.Wait(), 0) << daemon.Stderr();
}

// A model whose shards are more than the descriptors that are left is refused whole: each is opened
// twice, for its manifest and for the reads, and the client is told why in either case.
TEST_F(DaemonLimitsTest, AModelOfTooManyShards) {
  if (kAddressSanitizer) GTEST_SKIP() << "UBSan looks at memory through a pipe";
  const size_t idle = DescriptorsWhenIdle();
  const auto shards = static_cast<size_t>(
      std::distance(fs::directory_iterator(root_ + "/sharded"), fs::directory_iterator()));
  ASSERT_GT(shards, 20u);
  for (const size_t spare : {size_t{10}, shards + shards / 2}) {
    SCOPED_TRACE(spare);
    Subprocess daemon(WithLimit("nofile", idle + spare, Daemon()));
    ASSERT_TRUE(IsUp(daemon)) << daemon.Stderr();
    ASSERT_TRUE(Serves()) << daemon.Stderr();
    for (int i = 0; i < 3; ++i) {
      const RunResult refused = Ask({"add", "sharded"});
      EXPECT_EQ(refused.exit_status, 1);
      EXPECT_THAT(refused.err, HasSubstr("model \"sharded\": the daemon has no file descriptors"));
      EXPECT_THAT(refused.err, Not(HasSubstr(root_)));
    }
    EXPECT_THAT(daemon.Stderr(), HasSubstr("Too many open files"));
    EXPECT_TRUE(Serves()) << daemon.Stderr();
    EXPECT_TRUE(Within20s([&] { return Descriptors(daemon) <= idle; }))
        << Descriptors(daemon) << " now, " << idle << " before";
    daemon.Signal(SIGTERM);
    EXPECT_EQ(daemon.Wait(), 0) << daemon.Stderr();
  }
}

// However few there are: it says so and ends, or it serves.
TEST_F(DaemonLimitsTest, StartsWithFewDescriptorsOrSaysWhyNot) {
  if (kAddressSanitizer) GTEST_SKIP() << "UBSan looks at memory through a pipe";
  const size_t idle = DescriptorsWhenIdle();
  bool has_started = false;
  for (size_t limit = 4; limit <= idle + 32; limit += 4) {
    SCOPED_TRACE(limit);
    Subprocess daemon(WithLimit("nofile", limit, Daemon()));
    if (!IsUp(daemon)) {
      const int status = daemon.Wait();
      const bool has_begun = daemon.Stderr().find("loading shared libraries") == std::string::npos;
      EXPECT_EQ(status, has_begun ? 1 : 127) << daemon.Stderr();
      EXPECT_NE(daemon.Stderr(), "");
      EXPECT_FALSE(has_started) << "with fewer it could";
      continue;
    }
    has_started = true;
    daemon.Signal(SIGTERM);
    EXPECT_EQ(daemon.Wait(), 0) << daemon.Stderr();
  }
  EXPECT_TRUE(has_started);
}

// Without the right to lock memory: it serves, and says what was not locked.
TEST_F(DaemonLimitsTest, LocksNoMoreMemoryThanItMay) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to be another user";
  constexpr uid_t kNobody = 65534;
  fs::permissions(directory_.path(), fs::perms(0755));
  fs::create_directory(directory_ / "run");
  ASSERT_EQ(chown((directory_ / "run").c_str(), kNobody, kNobody), 0);
  const std::string address = "unix:" + (directory_ / "run/s.sock");
  for (const uint64_t limit : {uint64_t{0}, uint64_t{64} << 10, uint64_t{8} << 20}) {
    Arguments arguments = {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"};
    const Arguments program = {kDaemon,       "--listen",           address,
                               "--model-dir", directory_ / "small", "--host-budget",
                               "64MiB",       "--lock-memory"};
    arguments.insert(arguments.end(), program.begin(), program.end());
    Subprocess daemon(WithLimit("memlock", limit, arguments));
    ASSERT_TRUE(IsUp(daemon)) << daemon.Stderr();
    EXPECT_THAT(daemon.Stderr(), HasSubstr("is not locked in memory"));
    const RunResult fetched =
        testing::RunProgram({kCli, "fetch", "small", "--verify", "--daemon", address});
    EXPECT_EQ(fetched.exit_status, 0) << fetched.err;
    daemon.Signal(SIGTERM);
    EXPECT_EQ(daemon.Wait(), 0) << daemon.Stderr();
  }
}

// Budgets that cannot be had end the start, with what was asked for.
TEST_F(DaemonLimitsTest, BudgetsBeyondTheAddressSpace) {
  if (kAddressSanitizer) GTEST_SKIP() << "AddressSanitizer takes terabytes of it";
  for (const std::string budget : {"--host-budget", "--slot-budget"}) {
    Subprocess daemon(WithLimit("as", uint64_t{3} << 30,
                                {kDaemon, "--listen", "unix:" + socket_, "--model-root", root_,
                                 "--decode-threads", "1", budget, "16GiB"}));
    EXPECT_EQ(daemon.Wait(), 1);
    EXPECT_THAT(daemon.Stderr(), AnyOf(HasSubstr("16.00 GiB"), HasSubstr("17179869184 bytes")))
        << budget;
    EXPECT_FALSE(fs::exists(socket_));
  }
}

}  // namespace
}  // namespace ecf8
