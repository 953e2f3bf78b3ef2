#include "tools/ecf8d/logging.h"

#include <gtest/gtest.h>

#include <string>

#include "nlohmann/json.hpp"
#include "spdlog/details/log_msg.h"

namespace ecf8 {
namespace {

TEST(JsonFormatter, EscapesWhateverIsLogged) {
  const std::string message = "a \"b\"\n\x1b \xFF";
  const spdlog::log_clock::time_point time{std::chrono::milliseconds(1'700'000'000'123)};
  const spdlog::details::log_msg record(time, spdlog::source_loc{}, "x", spdlog::level::warn,
                                        message);
  spdlog::memory_buf_t out;
  MakeJsonFormatter()->clone()->format(record, out);
  const std::string line(out.data(), out.size());
  ASSERT_EQ(line.find('\n'), line.size() - 1);
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(json.is_object()) << line;
  EXPECT_EQ(json["time"], "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(json["level"], "warning");
  EXPECT_EQ(json["message"], "a \"b\"\n\x1b \xEF\xBF\xBD");
}

}  // namespace
}  // namespace ecf8
