// When a request that has failed is made again, and when no more.
#ifndef ECF8_LOADER_REMOTE_RETRY_SCHEDULE_H_
#define ECF8_LOADER_REMOTE_RETRY_SCHEDULE_H_

#include <cstdint>
#include <optional>
#include <random>

namespace ecf8 {

struct RetryOptions {
  int attempts = 10;       // of one request
  int budget = 200;        // failures of all requests together
  int64_t first_ms = 250;  // before the second attempt; doubled from one to the next
  int64_t longest_ms = 30'000;
  int64_t longest_retry_after_ms = 300'000;  // beyond, a server's wish is its refusal
};

// Thread-compatible.
class RetrySchedule {
 public:
  RetrySchedule(const RetryOptions& options, uint64_t seed) : options_(options), random_(seed) {}

  // How long to wait before a request is made again that has now failed `failures` times: half of
  // the time at least, at random, so that many clients do not come back together, and what the
  // server asks for. nullopt: it has failed for good.
  std::optional<int64_t> DelayMs(int failures, std::optional<int64_t> retry_after_ms);

  int retries() const { return retries_; }

 private:
  const RetryOptions options_;
  std::mt19937_64 random_;
  int retries_ = 0;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_REMOTE_RETRY_SCHEDULE_H_
