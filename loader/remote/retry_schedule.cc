#include "loader/remote/retry_schedule.h"

#include <algorithm>

namespace ecf8 {

std::optional<int64_t> RetrySchedule::DelayMs(int failures, std::optional<int64_t> retry_after_ms) {
  if (failures >= options_.attempts || retries_ >= options_.budget) return std::nullopt;
  if (retry_after_ms && *retry_after_ms > options_.longest_retry_after_ms) return std::nullopt;
  ++retries_;
  int64_t longest = options_.first_ms;
  for (int i = 1; i < failures && longest < options_.longest_ms; ++i) longest *= 2;
  longest = std::min(longest, options_.longest_ms);
  std::uniform_int_distribution<int64_t> delay(longest / 2, longest);
  return std::max(delay(random_), retry_after_ms.value_or(0));
}

}  // namespace ecf8
