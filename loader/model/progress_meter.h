// Counts decoded bytes and tells a ProgressFunction, a few times a second at most.
#ifndef ECF8_LOADER_MODEL_PROGRESS_METER_H_
#define ECF8_LOADER_MODEL_PROGRESS_METER_H_

#include <chrono>
#include <cstdint>

#include "loader/model/compress.h"

namespace ecf8 {

// Thread-compatible. Borrows the function, which may be empty.
class ProgressMeter {
 public:
  ProgressMeter(const ProgressFunction& function, uint64_t total_bytes)
      : function_(function), progress_{0, total_bytes} {}

  void Add(uint64_t bytes) {
    progress_.done_bytes += bytes;
    if (!function_) return;
    const auto now = std::chrono::steady_clock::now();
    if (now - told_at_ < kInterval) return;
    told_at_ = now;
    function_(progress_);
  }

  void Finish() const {
    if (function_) function_(progress_);
  }

  uint64_t done_bytes() const { return progress_.done_bytes; }

 private:
  static constexpr auto kInterval = std::chrono::milliseconds(200);

  const ProgressFunction& function_;
  Progress progress_;
  std::chrono::steady_clock::time_point told_at_;
};

}  // namespace ecf8

#endif  // ECF8_LOADER_MODEL_PROGRESS_METER_H_
