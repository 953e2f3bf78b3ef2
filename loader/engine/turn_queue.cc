#include "loader/engine/turn_queue.h"

namespace ecf8 {
namespace {

// So many starts of more urgent requests, and then one of a less urgent one that waits.
constexpr uint32_t kMaxBurst = 8;

}  // namespace

std::optional<Priority> TurnQueue::MostUrgent() const {
  for (size_t i = 0; i < kPriorityCount; ++i) {
    if (!waiting_[i].empty()) return static_cast<Priority>(i);
  }
  return std::nullopt;
}

Priority TurnQueue::Next() const {
  for (size_t i = 0; i < kPriorityCount; ++i) {
    if (!waiting_[i].empty() && burst_[i] >= kMaxBurst) return static_cast<Priority>(i);
  }
  return *MostUrgent();
}

void TurnQueue::CountStart(Priority priority) {
  const auto started = static_cast<size_t>(priority);
  burst_[started] = 0;
  for (size_t i = started + 1; i < kPriorityCount; ++i) ++burst_[i];
}

}  // namespace ecf8
