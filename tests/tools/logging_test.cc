#include "tools/ecf8d/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "rpc/request_id.h"
#include "spdlog/details/log_msg.h"
#include "spdlog/sinks/ostream_sink.h"
#include "tools/ecf8d/log_limiter.h"

namespace ecf8 {
namespace {

using ::testing::ElementsAre;

constexpr char kMessage[] = "a \"b\"\n\x1b \xFF";

std::string Format(const std::string& format) {
  const spdlog::log_clock::time_point time{std::chrono::milliseconds(1'700'000'000'123)};
  const spdlog::details::log_msg record(time, spdlog::source_loc{}, "x", spdlog::level::warn,
                                        kMessage);
  spdlog::memory_buf_t out;
  MakeLogFormatter(format)->clone()->format(record, out);
  return {out.data(), out.size()};
}

TEST(LogFormatter, JsonEscapesWhateverIsLogged) {
  const std::string line = Format("json");
  ASSERT_EQ(line.find('\n'), line.size() - 1);
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(json.is_object()) << line;
  EXPECT_EQ(json["time"], "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(json["level"], "warning");
  EXPECT_EQ(json["message"], "a \"b\"\n\x1b \xEF\xBF\xBD");
  EXPECT_FALSE(json.contains("request"));
  const LoggedRequest request("id \"7\"");
  EXPECT_EQ(nlohmann::json::parse(Format("json"), nullptr, false)["request"], "id \"7\"");
}

TEST(LogFormatter, KeysAndValuesAreALineToo) {
  EXPECT_EQ(Format("kv"),
            "time=2023-11-14T22:13:20.123Z level=warning "
            "message=\"a \\\"b\\\"\\x0a\\x1b \\xff\"\n");
  const LoggedRequest request("id-7");
  EXPECT_NE(Format("kv").find(" level=warning request=\"id-7\" message="), std::string::npos);
}

TEST(LogFormatter, TextEndsWithTheRequest) {
  EXPECT_TRUE(Format("text").ends_with(" warning " + std::string(kMessage) + "\n"));
  const LoggedRequest request("id-7");
  EXPECT_TRUE(Format("text").ends_with(std::string(kMessage) + " request=\"id-7\"\n"));
}

// What a limiter passes on.
class LogLimiterTest : public ::testing::Test {
 protected:
  void Log(const std::string& text, spdlog::level::level_enum level = spdlog::level::warn) {
    limiter_->log(spdlog::details::log_msg(now_, spdlog::source_loc{}, "x", level, text));
  }
  std::vector<std::string> Lines() {
    std::vector<std::string> lines;
    std::istringstream text(out_.str());
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    out_.str("");
    return lines;
  }
  void Make(size_t burst) {
    limiter_ =
        std::make_unique<LogLimiter>(std::make_shared<spdlog::sinks::ostream_sink_mt>(out_), burst);
    limiter_->set_pattern("%v");
  }

  std::ostringstream out_;
  std::unique_ptr<LogLimiter> limiter_;
  spdlog::log_clock::time_point now_{std::chrono::seconds(1'700'000'000)};
};

TEST_F(LogLimiterTest, CountsWhatRepeatsItself) {
  Make(2);
  for (int i = 0; i < 100; ++i) Log("fetch of \"m" + std::to_string(i) + "\" failed after 7 ms");
  Log("something else 1");
  EXPECT_THAT(Lines(), ElementsAre("fetch of \"m0\" failed after 7 ms",
                                   "fetch of \"m1\" failed after 7 ms", "something else 1"));
  now_ += LogLimiter::kWindow;
  Log("something else 2");
  EXPECT_THAT(Lines(), ElementsAre("(98 more lines in ten seconds said the same: fetch of \"m99\" "
                                   "failed after 7 ms)",
                                   "something else 2"));
  Log("fetch of \"m\" failed after 8 ms");
  EXPECT_THAT(Lines(), ElementsAre("fetch of \"m\" failed after 8 ms"));
  for (int i = 0; i < 3; ++i) Log("last");
  limiter_.reset();
  EXPECT_THAT(Lines(),
              ElementsAre("last", "last", "(1 more lines in ten seconds said the same: last)"));
}

TEST_F(LogLimiterTest, LevelsAndWhoLooksForSomethingAreLeftAlone) {
  Make(1);
  for (int i = 0; i < 3; ++i) Log("detail", spdlog::level::debug);
  Log("one", spdlog::level::warn);
  Log("one", spdlog::level::error);
  EXPECT_THAT(Lines(), ElementsAre("detail", "detail", "detail", "one", "one"));
  Make(0);
  for (int i = 0; i < 3; ++i) Log("all");
  EXPECT_THAT(Lines(), ElementsAre("all", "all", "all"));
}

TEST_F(LogLimiterTest, IsBoundedWhateverIsLogged) {
  Make(1);
  for (int i = 0; i < 10'000; ++i) {
    std::string text;
    for (int n = i; n > 0; n /= 26) text += static_cast<char>('a' + n % 26);
    Log("kind " + text);
  }
  EXPECT_LE(Lines().size(), LogLimiter::kMaxKinds + 1);
  now_ -= std::chrono::hours(1);  // the clock is set back
  Log("again");
  EXPECT_EQ(Lines().back(), "again");
}

}  // namespace
}  // namespace ecf8
