// What has happened in a soak: the faults that were injected, and what clients were told.
#ifndef ECF8_TESTS_TOOLS_SOAK_SOAK_RECORD_H_
#define ECF8_TESTS_TOOLS_SOAK_SOAK_RECORD_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "loader/base/mutex.h"

namespace ecf8::testing {

// The faults that calls can end with, by time. Thread-safe.
class FaultWindows {
 public:
  using Clock = std::chrono::steady_clock;

  // From now until Close, and a little longer, calls about `model` may end with `code`.
  size_t Open(absl::StatusCode code, const std::string& model) {
    MutexLock lock(mutex_);
    windows_.push_back({code, model, Clock::now(), Clock::time_point::max()});
    return windows_.size() - 1;
  }
  void Close(size_t window) {
    MutexLock lock(mutex_);
    windows_[window].end = Clock::now() + kReadsUnderWay;
  }

  // Whether a call about `model`, which began at `begin` and has just ended, may have ended so.
  bool Explain(absl::StatusCode code, const std::string& model, Clock::time_point begin) const {
    MutexLock lock(mutex_);
    for (const Window& window : windows_) {
      if (window.code == code && window.model == model && window.end >= begin) return true;
    }
    return false;
  }

  size_t size() const {
    MutexLock lock(mutex_);
    return windows_.size();
  }

 private:
  // A call may join a read that began before the fault was mended.
  static constexpr std::chrono::seconds kReadsUnderWay{10};

  struct Window {
    absl::StatusCode code;
    std::string model;
    Clock::time_point begin;
    Clock::time_point end;
  };

  mutable Mutex mutex_;
  std::vector<Window> windows_ ABSL_GUARDED_BY(mutex_);
};

// What the clients of a soak have got. Thread-safe.
class SoakTally {
 public:
  struct Totals {
    uint64_t verified_bytes = 0;                    // compared with the checkpoint
    uint64_t calls = 0;                             // that brought what was asked for
    std::map<absl::StatusCode, uint64_t> injected;  // errors that had their cause
    std::vector<std::string> unexplained;           // and those that had none; the first of them
  };

  void Verified(uint64_t bytes) {
    MutexLock lock(mutex_);
    totals_.verified_bytes += bytes;
  }
  void Done() {
    MutexLock lock(mutex_);
    ++totals_.calls;
  }
  void Explained(absl::StatusCode code) {
    MutexLock lock(mutex_);
    ++totals_.injected[code];
  }
  void Unexplained(const std::string& what) {
    MutexLock lock(mutex_);
    if (totals_.unexplained.size() < kMaxUnexplained) totals_.unexplained.push_back(what);
  }
  Totals totals() const {
    MutexLock lock(mutex_);
    return totals_;
  }

 private:
  static constexpr size_t kMaxUnexplained = 20;

  mutable Mutex mutex_;
  Totals totals_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_TOOLS_SOAK_SOAK_RECORD_H_
