// So many bytes a second, on the average of what was taken: no burst follows a pause.
#ifndef ECF8_LOADER_SERVE_BYTE_RATE_H_
#define ECF8_LOADER_SERVE_BYTE_RATE_H_

#include <algorithm>
#include <cstdint>

namespace ecf8 {

// Times are of std::chrono::steady_clock, in ns. Thread-compatible.
class ByteRate {
 public:
  explicit ByteRate(uint64_t bytes_per_second) : bytes_per_second_(bytes_per_second) {}  // 0: any

  // From when on more may be taken.
  int64_t free_at_ns() const { return free_at_ns_; }

  // They were taken now. What takes longer than a century ends then.
  void Take(uint64_t bytes, int64_t now_ns) {
    if (bytes_per_second_ == 0) return;
    constexpr double kCenturyNs = 3.2e18;
    const double cost_ns =
        static_cast<double>(bytes) * 1e9 / static_cast<double>(bytes_per_second_);
    free_at_ns_ = std::max(free_at_ns_, now_ns);
    const double end_ns = static_cast<double>(free_at_ns_) + cost_ns;
    free_at_ns_ = static_cast<int64_t>(std::min(end_ns, kCenturyNs));
  }

 private:
  const uint64_t bytes_per_second_;
  int64_t free_at_ns_ = 0;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_SERVE_BYTE_RATE_H_
