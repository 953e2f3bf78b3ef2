#include "rpc/shedding.h"

#include <algorithm>
#include <array>

namespace ecf8 {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kLeastStepBytes = uint64_t{4} << 20;
// After connections are gone, until what they had begun has ended.
constexpr milliseconds kSettleTime(500);
// That who is served may take.
constexpr uint64_t kPatientSteps = 4;
constexpr milliseconds kCalmTime(1000);
// So many times the limit, and nothing is waited for.
constexpr uint64_t kImpatience = 3;
// As many calls may be broken off for good reasons.
constexpr uint64_t kManyCalls = 100;

enum Kind { kNeverServed, kIdle, kBreaksOff, kServed, kHasSession, kKinds };

Kind KindOf(const SheddingCandidate& connection) {
  if (!connection.counts || connection.counts->messages_sent == 0) return kNeverServed;
  const ConnectionCounts& counts = *connection.counts;
  if (!counts.has_call()) return kIdle;
  if (counts.calls_broken_off > counts.calls_answered + kManyCalls) return kBreaksOff;
  return connection.has_session ? kHasSession : kServed;
}

}  // namespace

SheddingClock::SheddingClock(uint64_t limit_bytes)
    : limit_bytes_(limit_bytes), step_bytes_(std::max(limit_bytes / 16, kLeastStepBytes)) {}

Shedding SheddingClock::Look(uint64_t heap_bytes, bool is_settling, Clock::time_point now) {
  const bool was_over = is_over_;
  is_over_ = heap_bytes >= (was_over ? limit_bytes_ / 8 * 7 : limit_bytes_);
  if (!is_over_) {
    highest_bytes_ = 0;
    return Shedding::kNone;
  }
  if (heap_bytes > highest_bytes_ || is_settling) moved_at_ = now;
  highest_bytes_ = std::max(highest_bytes_, heap_bytes);
  const bool waits = heap_bytes < kImpatience * limit_bytes_;
  if (!was_over || (is_settling && waits)) {
    least_bytes_ = tried_bytes_ = heap_bytes;
    settled_at_ = now;
    return was_over ? Shedding::kNone : Shedding::kUnserved;
  }
  least_bytes_ = std::min(least_bytes_, heap_bytes);
  tried_bytes_ = std::min(tried_bytes_, heap_bytes);
  if (heap_bytes < limit_bytes_ || heap_bytes - tried_bytes_ < step_bytes_ ||
      (waits && now < settled_at_ + kSettleTime)) {
    return Shedding::kNone;
  }
  tried_bytes_ = heap_bytes;
  if (heap_bytes - least_bytes_ < kPatientSteps * step_bytes_) return Shedding::kUnserved;
  least_bytes_ = heap_bytes;
  return Shedding::kAny;
}

bool SheddingClock::MayAccept(Clock::time_point now) const {
  return !is_over_ || now >= moved_at_ + kCalmTime;
}

std::vector<size_t> ChooseToShed(const std::vector<SheddingCandidate>& connections,
                                 Shedding shedding) {
  std::array<std::vector<size_t>, kKinds> kinds;
  for (size_t i = 0; i < connections.size(); ++i) kinds[KindOf(connections[i])].push_back(i);
  const int kinds_to_shed = shedding == Shedding::kUnserved ? kNeverServed + 1 : kKinds;
  for (int kind = 0; kind < kinds_to_shed; ++kind) {
    std::vector<size_t>& chosen = kinds[static_cast<size_t>(kind)];
    if (chosen.empty()) continue;
    if (kind >= kServed) {
      chosen.erase(chosen.begin(), chosen.begin() + static_cast<ptrdiff_t>(chosen.size() / 2));
    }
    return chosen;
  }
  return {};
}

}  // namespace ecf8
