// Keeps what repeats itself from filling the log: of lines that say the same, a few are written,
// and the rest are counted.
#ifndef ECF8_TOOLS_ECF8D_LOG_LIMITER_H_
#define ECF8_TOOLS_ECF8D_LOG_LIMITER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "spdlog/sinks/base_sink.h"

namespace ecf8 {

// Passes lines on to another sink. Two lines say the same if they differ in numbers and in what is
// quoted only: in who, which unit, how many. Of `burst` such lines in ten seconds all are passed
// on; of more, the first `burst`, and once the ten seconds are over and any line comes, one that
// says how many more there were. Lines below info are for who looks for something: all are passed
// on. Thread-safe.
class LogLimiter final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  static constexpr std::chrono::seconds kWindow{10};
  // Different lines in a window that are told apart; others count as one.
  static constexpr size_t kMaxKinds = 256;

  LogLimiter(spdlog::sink_ptr target, size_t burst);
  ~LogLimiter() override;

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override;
  void set_pattern_(const std::string& pattern) override;
  void set_formatter_(std::unique_ptr<spdlog::formatter> formatter) override;

 private:
  struct Kind {
    spdlog::log_clock::time_point begun;
    size_t count = 0;
    std::string last{};  // that was left out
    spdlog::level::level_enum level = spdlog::level::info;
  };

  // Tells of what was left out in windows that ended by `now`, and forgets them.
  void EndWindows(spdlog::log_clock::time_point now);
  void Tell(const Kind& kind, spdlog::log_clock::time_point now);

  const spdlog::sink_ptr target_;
  const size_t burst_;
  std::unordered_map<uint64_t, Kind> kinds_;  // by what remains of a line without its particulars
};

}  // namespace ecf8

#endif  // ECF8_TOOLS_ECF8D_LOG_LIMITER_H_
