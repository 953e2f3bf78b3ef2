#include "loader/engine/turn_queue.h"

#include <algorithm>

namespace ecf8 {
namespace {

// So many starts of more urgent requests, and then one of a less urgent one that waits.
constexpr uint32_t kMaxBurst = 8;

}  // namespace

void TurnQueue::Insert(const Turn& turn) {
  Class& waiting = Of(turn.priority);
  const auto [flow, is_new] = waiting.flows.try_emplace(turn.state().flow);
  if (is_new) waiting.round.push_back(flow->first);
  if (flow->second.turns.insert(turn).second) waiting.Count(turn, 1);
}

void TurnQueue::Erase(const Turn& turn) {
  Class& waiting = Of(turn.priority);
  const auto flow = waiting.flows.find(turn.state().flow);
  if (flow == waiting.flows.end()) return;
  if (flow->second.turns.erase(turn) > 0) waiting.Count(turn, -1);
  if (flow->second.turns.empty()) {
    std::erase(waiting.round, flow->first);
    waiting.flows.erase(flow);
  }
  waiting.PassOn();
}

void TurnQueue::Start(const Turn& turn, bool counts) {
  Flow& flow = Of(turn.priority).flows.at(turn.state().flow);
  flow.balance_bytes -= static_cast<int64_t>(turn.size_bytes());
  Erase(turn);
  if (!counts) return;
  const auto started = static_cast<size_t>(turn.priority);
  burst_[started] = 0;
  for (size_t i = started + 1; i < kPriorityCount; ++i) ++burst_[i];
}

void TurnQueue::Class::Count(const Turn& turn, int turns) {
  size += turns;
  if (turn.form == UnitForm::kStored) stored_size += turns;
}

// So that the first flow may go on: each that has spent its share gets another, for its next turn.
void TurnQueue::Class::PassOn() {
  while (!round.empty()) {
    Flow& first = flows.at(round.front());
    if (first.balance_bytes > 0) return;
    first.balance_bytes += kFlowQuantumBytes;
    round.push_back(round.front());
    round.pop_front();
  }
}

std::optional<Priority> TurnQueue::MostUrgent() const {
  for (size_t i = 0; i < kPriorityCount; ++i) {
    if (classes_[i].size > 0) return static_cast<Priority>(i);
  }
  return std::nullopt;
}

Priority TurnQueue::Next() const {
  for (size_t i = 0; i < kPriorityCount; ++i) {
    if (classes_[i].size > 0 && burst_[i] >= kMaxBurst) return static_cast<Priority>(i);
  }
  return *MostUrgent();
}

}  // namespace ecf8
