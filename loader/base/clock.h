// The clock that durations are measured by.
#ifndef ECF8_LOADER_BASE_CLOCK_H_
#define ECF8_LOADER_BASE_CLOCK_H_

#include <chrono>
#include <cstdint>

namespace ecf8 {

inline int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

inline double SecondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace ecf8

#endif  // ECF8_LOADER_BASE_CLOCK_H_
