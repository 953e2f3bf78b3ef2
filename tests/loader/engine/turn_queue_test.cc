#include "loader/engine/turn_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>

namespace ecf8 {
namespace {

constexpr uint64_t kQuantum = kFlowQuantumBytes;

class TurnQueueTest : public ::testing::Test {
 protected:
  // Of its own unit, as everything that waits.
  Turn Insert(Priority priority, uint64_t sequence, uint64_t flow = 0, uint64_t size_bytes = 1) {
    Unit& unit = units_.emplace_back();
    unit.decoded_size_bytes = size_bytes;
    UnitState& state = states_.emplace_back();
    state.unit = &unit;
    state.decoded.flow = flow;
    const Turn turn = {priority, sequence, &state, UnitForm::kDecoded};
    queue_.Insert(turn);
    return turn;
  }

  Turn First(Priority priority) const {
    Turn first = {};
    queue_.ForEachOf(priority, [&](const Turn& turn) {
      first = turn;
      return false;
    });
    return first;
  }

  // The flows of what is started next, in order.
  std::string Flows(int starts) {
    std::string flows;
    for (int i = 0; i < starts; ++i) {
      const Turn turn = First(Priority::kDemand);
      flows += std::to_string(turn.state().flow);
      queue_.Start(turn);
    }
    return flows;
  }

  std::deque<Unit> units_;
  std::deque<UnitState> states_;
  TurnQueue queue_;
};

TEST_F(TurnQueueTest, OldestOfTheMostUrgentFirst) {
  EXPECT_FALSE(queue_.MostUrgent().has_value());
  Insert(Priority::kPreload, 0);
  EXPECT_EQ(queue_.Next(), Priority::kPreload);
  Insert(Priority::kHinted, 2);
  const Turn older = Insert(Priority::kHinted, 1);
  EXPECT_EQ(queue_.MostUrgent(), Priority::kHinted);
  EXPECT_EQ(queue_.size_of(Priority::kHinted), 2u);
  EXPECT_EQ(First(Priority::kHinted).sequence, 1u);
  queue_.Erase(older);
  EXPECT_EQ(First(Priority::kHinted).sequence, 2u);
  EXPECT_EQ(queue_.size_of(Priority::kHinted), 1u);
}

TEST_F(TurnQueueTest, NobodyWaitsForEver) {
  std::string order;
  uint64_t sequence = 0;
  for (const Priority priority : {Priority::kDemand, Priority::kHinted, Priority::kPreload}) {
    Insert(priority, sequence++);
  }
  for (int i = 0; i < 40; ++i) {
    const Priority next = queue_.Next();
    order += "dhp"[static_cast<size_t>(next)];
    queue_.Start(First(next));
    Insert(next, sequence++);
  }
  EXPECT_EQ(order, "ddddddddhpddddddddhpddddddddhpddddddddhp");
}

TEST_F(TurnQueueTest, WhoeverFindsNoMemoryAtItsTurnWaitsForTheNext) {
  for (uint64_t i = 0; i < 9; ++i) Insert(Priority::kDemand, i);
  Insert(Priority::kPreload, 9);
  for (int i = 0; i < 8; ++i) queue_.Start(First(Priority::kDemand));
  EXPECT_EQ(queue_.Next(), Priority::kPreload);
  queue_.CountRefusal(Priority::kPreload);
  EXPECT_EQ(queue_.Next(), Priority::kDemand);
}

TEST_F(TurnQueueTest, FlowsTakeTurnsByBytes) {
  uint64_t sequence = 0;
  for (int i = 0; i < 8; ++i) Insert(Priority::kDemand, sequence++, 1, kQuantum / 2);
  for (int i = 0; i < 8; ++i) Insert(Priority::kDemand, sequence++, 2, kQuantum / 4);
  EXPECT_EQ(Flows(12), "112222112222");
  EXPECT_EQ(Flows(4), "1111") << "who waits alone has every turn";
}

// The last to come waits for one unit of each flow that was there, not for all of their units.
TEST_F(TurnQueueTest, AFloodDelaysAnotherByItsShareOnly) {
  for (uint64_t i = 0; i < 1000; ++i) Insert(Priority::kDemand, i, 1, kQuantum);
  queue_.Start(First(Priority::kDemand));
  Insert(Priority::kDemand, 1000, 2, kQuantum);
  EXPECT_EQ(Flows(2), "12");
}

// One unit of many quanta: what is overdrawn is paid off before the flow's next turn.
TEST_F(TurnQueueTest, WhatIsOverdrawnIsPaidOff) {
  uint64_t sequence = 0;
  for (int i = 0; i < 2; ++i) Insert(Priority::kDemand, sequence++, 1, 6 * kQuantum);
  for (int i = 0; i < 8; ++i) Insert(Priority::kDemand, sequence++, 2, kQuantum);
  EXPECT_EQ(Flows(10), "1222222122");
}

// Or whoever waits for much memory would be passed for ever.
TEST_F(TurnQueueTest, NobodyNewPassesWhoseTurnItIs) {
  Insert(Priority::kDemand, 5, 1);
  for (uint64_t flow = 2; flow < 9; ++flow) Insert(Priority::kDemand, flow - 2, flow);
  EXPECT_EQ(First(Priority::kDemand).state().flow, 1u);
}

}  // namespace
}  // namespace ecf8
