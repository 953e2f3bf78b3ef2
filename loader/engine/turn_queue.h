// Units that wait for memory, and whose turn it is: by priority, in turn between those who ask, and
// so that nobody waits for ever.
//
// Between the flows of a class (a session, a fetch, a preload) goes deficit round robin (Shreedhar
// and Varghese, SIGCOMM 1995), in the form that lets a flow overdraw and pays it off in the rounds
// after (surplus round robin): a flow that asks for ten thousand units delays another by its own
// share only. Within a flow, the oldest first.
#ifndef ECF8_LOADER_ENGINE_TURN_QUEUE_H_
#define ECF8_LOADER_ENGINE_TURN_QUEUE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>

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
  // What its flow is charged.
  uint64_t size_bytes() const { return SizeIn(form, *unit->unit); }
};

// What a flow may take before the next has its turn, give or take a unit: some milliseconds of a
// CPU's time.
inline constexpr int64_t kFlowQuantumBytes = int64_t{8} << 20;

// Thread-compatible. What waits keeps its priority, its flow and its sequence.
class TurnQueue {
 public:
  void Insert(const Turn& turn);
  void Erase(const Turn& turn);

  // It is served, and gone from the queue: its flow is charged. `counts`: among the starts after
  // which a less urgent class has its turn. What passes one that waits for memory does not, or that
  // might be passed by less urgent ones, too.
  void Start(const Turn& turn, bool counts = true);

  size_t size_of(Priority priority) const { return Of(priority).size; }
  // Of those, the ones in kStored, which need no slot.
  size_t stored_size_of(Priority priority) const { return Of(priority).stored_size; }

  // Calls `visit` for those of the class that wait, in the order in which they are to be tried,
  // until it returns false; it may change the queue when it does.
  template <typename Visit>
  void ForEachOf(Priority priority, Visit visit) const {
    for (const uint64_t flow : Of(priority).round) {
      for (const Turn& turn : Of(priority).flows.at(flow).turns) {
        if (!visit(turn)) return;
      }
    }
  }

  // The most urgent class in which somebody waits.
  std::optional<Priority> MostUrgent() const;

  // The class whose turn it is: the most urgent, but for every so many starts one of a less urgent
  // class that waits. Somebody does.
  Priority Next() const;

  // The class had its turn and found no memory: it waits for the next one.
  void CountRefusal(Priority priority) { burst_[static_cast<size_t>(priority)] = 0; }

 private:
  struct Flow {
    std::set<Turn> turns;
    int64_t balance_bytes = kFlowQuantumBytes;
  };
  struct Class {
    std::unordered_map<uint64_t, Flow> flows;
    std::deque<uint64_t> round;  // the flows; the first has the turn, and a balance above 0
    size_t size = 0;             // turns
    size_t stored_size = 0;

    void Count(const Turn& turn, int turns);
    void PassOn();
  };

  Class& Of(Priority priority) { return classes_[static_cast<size_t>(priority)]; }
  const Class& Of(Priority priority) const { return classes_[static_cast<size_t>(priority)]; }

  std::array<Class, kPriorityCount> classes_;
  std::array<uint32_t, kPriorityCount> burst_{};  // starts since the next class last had one
};

}  // namespace ecf8

#endif  // ECF8_LOADER_ENGINE_TURN_QUEUE_H_
