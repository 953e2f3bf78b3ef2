#include "tests/tools/soak/pace.h"

#include <algorithm>
#include <cmath>
#include <thread>

namespace ecf8::testing {
namespace {

using Seconds = std::chrono::duration<double>;

// How soon one who waits notices that it is to stop.
constexpr std::chrono::milliseconds kLook(50);

}  // namespace

void Pace::Begin(int clients, double per_second) {
  clients_ = clients;
  per_second_ = per_second;
  begin_ = Clock::now();
}

// The clients' operations are due in turn.
Pace::Clock::time_point Pace::DueTime(int client, uint64_t operation) const {
  const double turn = static_cast<double>(operation) * clients_ + client;
  return begin_ + std::chrono::duration_cast<Clock::duration>(Seconds(turn / TotalRate()));
}

void Pace::Done(Clock::time_point due) {
  const Clock::time_point now = Clock::now();
  MutexLock lock(mutex_);
  operations_.push_back({Seconds(now - begin_).count(), Seconds(now - due).count()});
}

uint64_t Pace::DueUntil(double seconds) const {
  return static_cast<uint64_t>(std::ceil(seconds * TotalRate()));
}

uint64_t Pace::DueBetween(double from, double to) const { return DueUntil(to) - DueUntil(from); }

std::vector<double> Pace::LatenessBetween(double from, double to) const {
  std::vector<double> lateness;
  MutexLock lock(mutex_);
  for (const Operation& operation : operations_) {
    if (operation.done_seconds > from && operation.done_seconds <= to) {
      lateness.push_back(operation.late_seconds);
    }
  }
  std::sort(lateness.begin(), lateness.end());
  return lateness;
}

bool Turns::Next(const std::stop_token& stop) {
  if (!pace_.is_set()) return !stop.stop_requested();
  if (begun_ > 0) pace_.Done(pace_.DueTime(client_, begun_ - 1));
  const Pace::Clock::time_point due = pace_.DueTime(client_, begun_++);
  while (!stop.stop_requested()) {
    const Pace::Clock::time_point now = Pace::Clock::now();
    if (now >= due) return true;
    std::this_thread::sleep_until(std::min<Pace::Clock::time_point>(due, now + kLook));
  }
  return false;
}

}  // namespace ecf8::testing
