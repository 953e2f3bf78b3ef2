#include "tools/ecf8d/logging.h"

#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>

#include "loader/base/strings.h"
#include "nlohmann/json.hpp"
#include "rpc/request_id.h"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"
#include "tools/ecf8d/log_limiter.h"

namespace ecf8 {
namespace {

std::string Rfc3339(spdlog::log_clock::time_point time) {
  const auto since_epoch = time.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_epoch);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch - seconds);
  const std::time_t whole = seconds.count();
  std::tm utc = {};
  gmtime_r(&whole, &utc);
  char date[32];
  char text[48];
  std::strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text, sizeof(text), "%s.%03dZ", date, static_cast<int>(ms.count()));
  return text;
}

constexpr size_t kMaxMessageBytes = 8192;  // of kv

class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const auto level = spdlog::level::to_string_view(message.level);
    nlohmann::ordered_json line;
    line["time"] = Rfc3339(message.time);
    line["level"] = std::string(level.data(), level.size());
    const std::string_view request = LoggedRequest::current();
    if (!request.empty()) line["request"] = request;
    line["message"] = std::string(message.payload.data(), message.payload.size());
    const std::string text =
        line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
    out.append(text.data(), text.data() + text.size());
  }

  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>();
  }
};

// ` request="id"`, or nothing.
std::string RequestField() {
  const std::string_view request = LoggedRequest::current();
  return request.empty() ? "" : " request=" + Quoted(request);
}

class KeyValueFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const auto level = spdlog::level::to_string_view(message.level);
    const std::string line =
        "time=" + Rfc3339(message.time) + " level=" + std::string(level.data(), level.size()) +
        RequestField() +
        " message=" + Quoted({message.payload.data(), message.payload.size()}, kMaxMessageBytes) +
        "\n";
    out.append(line.data(), line.data() + line.size());
  }

  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<KeyValueFormatter>();
  }
};

// In a pattern: %*.
class RequestFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& /*message*/, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    const std::string field = RequestField();
    out.append(field.data(), field.data() + field.size());
  }

  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<RequestFlag>();
  }
};

}  // namespace

std::unique_ptr<spdlog::formatter> MakeLogFormatter(const std::string& format) {
  if (format == "json") return std::make_unique<JsonFormatter>();
  if (format == "kv") return std::make_unique<KeyValueFormatter>();
  auto text = std::make_unique<spdlog::pattern_formatter>();
  text->add_flag<RequestFlag>('*').set_pattern("%Y-%m-%d %H:%M:%S.%e %l %v%*");
  return text;
}

void InitLogging(const std::string& level, const std::string& format, size_t burst) {
  auto sink =
      std::make_shared<LogLimiter>(std::make_shared<spdlog::sinks::stderr_sink_mt>(), burst);
  auto logger = std::make_shared<spdlog::logger>("ecf8d", std::move(sink));
  logger->set_level(spdlog::level::from_str(level));
  logger->set_formatter(MakeLogFormatter(format));
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace ecf8
