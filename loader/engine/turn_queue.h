// Units that wait for memory, and whose turn it is: by priority, then by age, and so that nobody
// waits for ever.
#ifndef ECF8_LOADER_ENGINE_TURN_QUEUE_H_
#define ECF8_LOADER_ENGINE_TURN_QUEUE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <tuple>

#include "loader/engine/held_unit.h"
#include "loader/engine/unit_state.h"

namespace ecf8 {

// A unit in one form, in the order in which such are served.
struct Turn {
  Priority priority;
  uint64_t sequence;
  UnitState* unit;
  UnitForm form;

  bool operator<(const Turn& other) const {
    return std::tie(priority, sequence, form) <
           std::tie(other.priority, other.sequence, other.form);
  }
  FormState& state() const { return unit->form(form); }
};

// Thread-compatible.
class TurnQueue {
 public:
  void Insert(const Turn& turn) { Of(turn.priority).insert(turn); }
  void Erase(const Turn& turn) { Of(turn.priority).erase(turn); }

  const std::set<Turn>& WaitingOf(Priority priority) const {
    return waiting_[static_cast<size_t>(priority)];
  }

  // The most urgent class in which somebody waits.
  std::optional<Priority> MostUrgent() const;

  // The class whose turn it is: the most urgent, but for every so many starts one of a less urgent
  // class that waits. Somebody does.
  Priority Next() const;

  // One of the class was started.
  void CountStart(Priority priority);

  // The class had its turn and found no memory: it waits for the next one.
  void CountRefusal(Priority priority) { burst_[static_cast<size_t>(priority)] = 0; }

 private:
  std::set<Turn>& Of(Priority priority) { return waiting_[static_cast<size_t>(priority)]; }

  std::array<std::set<Turn>, kPriorityCount> waiting_;
  std::array<uint32_t, kPriorityCount> burst_{};  // starts since the next class last had one
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_TURN_QUEUE_H_
