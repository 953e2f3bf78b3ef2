// `ecf8 preload`, `pin`, `unpin`, `evict` and what `ecf8 status` says of them, as a user types
// them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "nlohmann/json.hpp"
#include "tests/tools/daemon_fixture.h"

namespace ecf8 {
namespace {

using ::ecf8::testing::kCli;
using ::ecf8::testing::RunProgram;
using ::ecf8::testing::RunResult;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

class ControlCommandsTest : public testing::DaemonTest {
 protected:
  Json AskJson(std::vector<std::string> arguments) const {
    arguments.emplace_back("--json");
    const RunResult result = Ask(arguments);
    EXPECT_EQ(result.exit_status, 0) << result.err;
    return Json::parse(result.out, nullptr, false);
  }
};

TEST_F(ControlCommandsTest, PreloadsAndTellsWhatItDid) {
  const auto daemon = Start();
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  const RunResult first = Ask({"preload", "small"});
  EXPECT_EQ(first.exit_status, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("small: 4 of 4 units, "));
  EXPECT_THAT(first.out, HasSubstr("are in host memory; "));
  EXPECT_THAT(first.err, HasSubstr("preload: 100%, "));
  EXPECT_THAT(first.err, Not(HasSubstr("\r"))) << "a bar is for terminals";
  const Json second = AskJson({"preload", "small"});
  EXPECT_EQ(second["units"], 4);
  EXPECT_EQ(second["bytes_loaded"], 0);
  EXPECT_EQ(second["units_not_kept"], 0);
  EXPECT_EQ(second["tier"], "host");
  EXPECT_EQ(second["pinned"], false);
  const Json slots = AskJson({"preload", "small", "layers.0", "head", "--tier", "slots", "--pin"});
  EXPECT_EQ(slots["units"], 2);
  EXPECT_GT(slots["bytes_loaded"], 0);
  EXPECT_EQ(slots["pinned"], true);
  const Json status = AskJson({"status"});
  EXPECT_EQ(status["slots"]["pinned"][0]["model"], "small");
  EXPECT_EQ(status["slots"]["pinned"][0]["units"], 2);
  EXPECT_TRUE(status["host"]["pinned"].empty());
  EXPECT_THAT(Ask({"status"}).out, HasSubstr("pinned in slots: small, 2 units, 4.00 MiB"));
}

TEST_F(ControlCommandsTest, PinsUnpinsAndEvicts) {
  const auto daemon = Start();
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  ASSERT_EQ(Ask({"preload", "small"}).exit_status, 0);
  const RunResult pin = Ask({"pin", "small", "layers.1", "embed"});
  EXPECT_EQ(pin.exit_status, 0) << pin.err;
  EXPECT_THAT(pin.out, HasSubstr("small: pinned in host memory: 2 units, "));
  EXPECT_EQ(AskJson({"pin", "small", "embed"})["pinned"]["units"], 0);
  EXPECT_THAT(Ask({"status"}).out, HasSubstr("pinned in host memory: small, 2 units, "));
  const RunResult evict = Ask({"evict", "small"});
  EXPECT_EQ(evict.exit_status, 0) << evict.err;
  EXPECT_THAT(evict.out, HasSubstr("small: evicted in memory: 2 units, "));
  EXPECT_THAT(evict.out, HasSubstr("; pinned: 2 units, "));
  const Json unpin = AskJson({"unpin", "small"});
  EXPECT_EQ(unpin["tier"], "all");
  EXPECT_EQ(unpin["unpinned"]["units"], 2);
  EXPECT_EQ(unpin["held"]["units"], 0);
  EXPECT_EQ(AskJson({"evict", "small", "--tier", "host"})["freed"]["units"], 2);
  EXPECT_EQ(AskJson({"status"})["host"]["units"], 0);
}

TEST_F(ControlCommandsTest, SaysWhatDidNotStayAndFails) {
  testing::MakeCompressedModel(directory_.path(), "other");
  const auto daemon = Start({"--model-dir", directory_ / "other", "--slot-budget", "10MiB"});
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  ASSERT_EQ(Ask({"fetch", "small"}).exit_status, 0);
  const RunResult result = Ask({"preload", "other", "--tier", "slots"});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_THAT(result.out, HasSubstr("other: 1 of 4 units, "));
  EXPECT_THAT(result.err, HasSubstr("3 of 4 units did not stay, "));
  EXPECT_EQ(Ask({"preload", "other", "--tier", "slots", "--pin"}).exit_status, 0);
  EXPECT_EQ(Ask({"fetch", "small"}).exit_status, 0);
  const RunResult refused = Ask({"pin", "small", "--tier", "slots"});
  EXPECT_EQ(refused.exit_status, 1);
  EXPECT_THAT(refused.err, HasSubstr("pins of model \"other\", 8.00 MiB"));
  EXPECT_EQ(refused.out, "");
}

TEST_F(ControlCommandsTest, RefusesWhatItDoesNotKnow) {
  const auto daemon = Start();
  ASSERT_TRUE(IsUp(*daemon)) << daemon->Stderr();
  for (const char* const command : {"preload", "pin", "unpin", "evict"}) {
    EXPECT_EQ(RunProgram({kCli, command}).exit_status, 2) << command;
    EXPECT_EQ(Ask({command, "small", "--tier", "disk"}).exit_status, 2) << command;
    const RunResult other = Ask({command, "other"});
    EXPECT_EQ(other.exit_status, 1) << command;
    EXPECT_THAT(other.err, HasSubstr("no model \"other\"")) << command;
    EXPECT_EQ(Ask({command, "small", "layers.9"}).exit_status, 1) << command;
  }
  EXPECT_EQ(Ask({"pin", "small", "--tier", "all"}).exit_status, 2);
  EXPECT_THAT(Ask({"preload", "small", "--tier", "device"}).err, HasSubstr("device budget"));
}

}  // namespace
}  // namespace ecf8
