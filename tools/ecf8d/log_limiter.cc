#include "tools/ecf8d/log_limiter.h"

#include <functional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rpc/request_id.h"
#include "spdlog/details/log_msg.h"

namespace ecf8 {
namespace {

constexpr uint64_t kOtherKinds = 0;
constexpr size_t kMaxExampleBytes = 200;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The line without its numbers, and without what is quoted.
uint64_t KindOf(const spdlog::details::log_msg& message) {
  std::string rest;
  rest.reserve(message.payload.size() + 1);
  rest += static_cast<char>('a' + message.level);
  bool quoted = false;
  char before = 0;
  for (const char c : message.payload) {
    if (c == '"' && before != '\\') quoted = !quoted;
    if (!quoted && !IsDigit(c)) rest += c;
    before = c;
  }
  return std::hash<std::string>()(rest);
}

}  // namespace

LogLimiter::LogLimiter(spdlog::sink_ptr target, size_t burst)
    : target_(std::move(target)), burst_(burst) {}

LogLimiter::~LogLimiter() { EndWindows(spdlog::log_clock::time_point::max()); }

void LogLimiter::sink_it_(const spdlog::details::log_msg& message) {
  EndWindows(message.time);
  if (burst_ == 0 || message.level < spdlog::level::info) return target_->log(message);
  uint64_t key = KindOf(message);
  if (kinds_.size() >= kMaxKinds && !kinds_.contains(key)) key = kOtherKinds;
  Kind& kind = kinds_.try_emplace(key, Kind{.begun = message.time}).first->second;
  if (++kind.count <= burst_) return target_->log(message);
  kind.last = std::string(
      std::string_view(message.payload.data(), message.payload.size()).substr(0, kMaxExampleBytes));
  kind.level = message.level;
}

// A clock that is set back ends them, too: it would otherwise hold lines back for as long.
void LogLimiter::EndWindows(spdlog::log_clock::time_point now) {
  for (auto entry = kinds_.begin(); entry != kinds_.end();) {
    if (now >= entry->second.begun && now < entry->second.begun + kWindow) {
      ++entry;
      continue;
    }
    if (entry->second.count > burst_) Tell(entry->second, now);
    entry = kinds_.erase(entry);
  }
}

void LogLimiter::Tell(const Kind& kind, spdlog::log_clock::time_point now) {
  const LoggedRequest of_none("");
  const std::string text = absl::StrCat(
      "(", kind.count - burst_, " more lines in ten seconds said the same: ", kind.last, ")");
  const bool is_end = now == spdlog::log_clock::time_point::max();
  target_->log(spdlog::details::log_msg(is_end ? spdlog::log_clock::now() : now,
                                        spdlog::source_loc{}, "ecf8d", kind.level, text));
}

void LogLimiter::flush_() { target_->flush(); }

void LogLimiter::set_pattern_(const std::string& pattern) { target_->set_pattern(pattern); }

void LogLimiter::set_formatter_(std::unique_ptr<spdlog::formatter> formatter) {
  target_->set_formatter(std::move(formatter));
}

}  // namespace ecf8
