// When the operations of a soak are due, and how late they were done.
//
// At a fixed rate below what the machine can do, what comes through in a second says something of
// the daemon, and not of who else is busy. An operation that is late makes those after it late, and
// not fewer: what a client waits for counts from when it was due.
#ifndef ECF8_TESTS_TOOLS_SOAK_PACE_H_
#define ECF8_TESTS_TOOLS_SOAK_PACE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <vector>

#include "loader/base/mutex.h"

namespace ecf8::testing {

// Of all clients of a soak. Thread-safe once it has begun.
class Pace {
 public:
  using Clock = std::chrono::steady_clock;

  // From now on each of `clients` has `per_second` operations due. 0: each is due when the one
  // before has ended.
  void Begin(int clients, double per_second);

  bool is_set() const { return per_second_ > 0; }
  Clock::time_point begin() const { return begin_; }
  // Meaningless where no pace is set, like what follows.
  Clock::time_point DueTime(int client, uint64_t operation) const;
  void Done(Clock::time_point due);

  // What all clients should have done from `from` to `to`, in seconds since the beginning.
  uint64_t DueBetween(double from, double to) const;
  // Of what was done then, in ascending order: how long after it was due, in seconds.
  std::vector<double> LatenessBetween(double from, double to) const;

 private:
  struct Operation {
    double done_seconds = 0;  // since the beginning
    double late_seconds = 0;
  };

  double TotalRate() const { return clients_ * per_second_; }
  uint64_t DueUntil(double seconds) const;

  int clients_ = 0;
  double per_second_ = 0;
  Clock::time_point begin_;
  mutable Mutex mutex_;
  std::vector<Operation> operations_ ABSL_GUARDED_BY(mutex_);
};

// Of one client. Thread-compatible.
class Turns {
 public:
  // `client` counts from 0.
  Turns(Pace& pace, int client) : pace_(pace), client_(client) {}

  // Ends the operation before, if there was one, and waits until the next is due. False where it is
  // stopped first.
  bool Next(const std::stop_token& stop);

 private:
  Pace& pace_;
  const int client_;
  uint64_t begun_ = 0;
};

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_TOOLS_SOAK_PACE_H_
