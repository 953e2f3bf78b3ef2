// Models that come and go in a daemon that is started without any.

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "nlohmann/json.hpp"
#include "tests/tools/daemon_fixture.h"

namespace ecf8 {
namespace {

namespace fs = std::filesystem;

using ::ecf8::testing::kCli;
using ::ecf8::testing::kDaemon;
using ::ecf8::testing::RunProgram;
using ::ecf8::testing::RunResult;
using ::ecf8::testing::Subprocess;
using ::testing::HasSubstr;
using ::testing::Not;

class DaemonModelsTest : public testing::DaemonTest {
 protected:
  DaemonModelsTest() {
    fs::create_directory(root_);
    fs::rename(directory_ / "small", root_ + "/small");
  }

  bool Lists(const std::string& name) const {
    return Ask({"models"}).out.find("\n" + name + " ") != std::string::npos;
  }

  const std::string root_ = directory_ / "root";
};

TEST_F(DaemonModelsTest, AreAddedAndRemovedByName) {
  const auto daemon = StartWith({"--model-root", root_});
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  EXPECT_FALSE(Lists("small"));
  EXPECT_EQ(Ask({"fetch", "small"}).exit_status, 1);

  const RunResult added = Ask({"add", "small", "--json"});
  EXPECT_EQ(added.exit_status, 0) << added.err;
  const auto json = nlohmann::json::parse(added.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << added.out;
  EXPECT_EQ(json["name"], "small");
  EXPECT_TRUE(Lists("small"));
  EXPECT_EQ(Ask({"fetch", "small", "--verify"}).exit_status, 0);

  const RunResult twice = Ask({"add", "small"});
  EXPECT_EQ(twice.exit_status, 1);
  EXPECT_THAT(twice.err, HasSubstr("served already"));
  EXPECT_EQ(Ask({"add", "../root/small"}).exit_status, 1);
  EXPECT_EQ(Ask({"add"}).exit_status, 2);
  EXPECT_EQ(Ask({"remove", "small", "--digest", "0000000000000000"}).exit_status, 1);

  const RunResult removed = Ask({"remove", "small", "--digest", json["digest"]});
  EXPECT_EQ(removed.exit_status, 0) << removed.err;
  EXPECT_THAT(removed.out, HasSubstr("removed small: 4 units"));
  EXPECT_FALSE(Lists("small"));
  EXPECT_THAT(Ask({"remove", "small"}).err, HasSubstr("no model \"small\""));
  daemon->Signal(SIGTERM);
  EXPECT_EQ(daemon->Wait(), 0) << daemon->Stderr();
}

TEST_F(DaemonModelsTest, AreFoundWhereTheyAppear) {
  const auto daemon = StartWith({"--model-root", root_, "--watch-models"});
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  EXPECT_TRUE(Lists("small"));
  const RunResult compressed =
      RunProgram({kCli, "compress", directory_ / "small.plain", root_ + "/new"});
  ASSERT_EQ(compressed.exit_status, 0) << compressed.err;
  ASSERT_TRUE(daemon->Says("model \"new\": 4 units")) << daemon->Stderr();
  EXPECT_EQ(Ask({"fetch", "new", "--verify"}).exit_status, 0);
  fs::remove_all(root_ + "/new");
  ASSERT_TRUE(daemon->Says("model \"new\" is gone")) << daemon->Stderr();
  EXPECT_FALSE(Lists("new"));
  EXPECT_THAT(daemon->Stderr(), Not(HasSubstr("[warning]")));
}

TEST_F(DaemonModelsTest, RootsAreChecked) {
  const RunResult missing =
      RunProgram({kDaemon, "--model-root", directory_ / "none", "--check-config"});
  EXPECT_EQ(missing.exit_status, 1);
  EXPECT_THAT(missing.err, HasSubstr("none"));
  EXPECT_EQ(RunProgram({kDaemon, "--model-root", root_, "--check-config"}).exit_status, 0);
}

// As a user who may not read it.
TEST_F(DaemonModelsTest, AnUnreadableModelIsRefusedWithoutAPath) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root; model_roots_test has the other case";
  constexpr uid_t kNobody = 65534;
  fs::permissions(directory_.path(), fs::perms(0711));
  fs::permissions(root_ + "/small", fs::perms(0700));
  fs::create_directory(directory_ / "run");
  ASSERT_EQ(chown((directory_ / "run").c_str(), kNobody, kNobody), 0);
  const std::string address = "unix:" + (directory_ / "run/s.sock");
  Subprocess daemon({"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                     kDaemon, "--listen", address, "--model-root", root_});
  ASSERT_TRUE(IsUp(daemon)) << daemon.Stderr();
  const RunResult refused = RunProgram({kCli, "add", "small", "--daemon", address});
  EXPECT_EQ(refused.exit_status, 1);
  EXPECT_THAT(refused.err, HasSubstr("could not be read"));
  EXPECT_THAT(refused.err, Not(HasSubstr(root_)));
  fs::permissions(root_ + "/small", fs::perms(0755));
  EXPECT_EQ(RunProgram({kCli, "add", "small", "--daemon", address}).exit_status, 0);
}

}  // namespace
}  // namespace ecf8
