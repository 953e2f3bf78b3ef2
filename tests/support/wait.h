// Waiting for what happens on other threads, or in other processes.
#ifndef ECF8_TESTS_SUPPORT_WAIT_H_
#define ECF8_TESTS_SUPPORT_WAIT_H_

#include <chrono>
#include <functional>
#include <thread>

namespace ecf8::testing {

// Waits until `condition` holds; false where it does not within `time`.
inline bool Within(std::chrono::milliseconds time, const std::function<bool()>& condition,
                   std::chrono::milliseconds look_interval = std::chrono::milliseconds(5)) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(look_interval);
  }
  return true;
}

inline bool Within20s(const std::function<bool()>& condition) {
  return Within(std::chrono::seconds(20), condition);
}

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_WAIT_H_
