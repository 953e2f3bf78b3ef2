#include "loader/engine/turn_queue.h"

#include <gtest/gtest.h>

#include <string>

namespace ecf8 {
namespace {

TEST(TurnQueue, OldestOfTheMostUrgentFirst) {
  TurnQueue queue;
  EXPECT_FALSE(queue.MostUrgent().has_value());
  UnitState unit;
  const auto insert = [&](Priority priority, uint64_t sequence) {
    queue.Insert({priority, sequence, &unit, UnitForm::kDecoded});
  };
  insert(Priority::kPreload, 0);
  EXPECT_EQ(queue.Next(), Priority::kPreload);
  insert(Priority::kHinted, 2);
  insert(Priority::kHinted, 1);
  EXPECT_EQ(queue.MostUrgent(), Priority::kHinted);
  EXPECT_EQ(queue.WaitingOf(Priority::kHinted).begin()->sequence, 1u);
  queue.Erase({Priority::kHinted, 1, &unit, UnitForm::kDecoded});
  EXPECT_EQ(queue.WaitingOf(Priority::kHinted).begin()->sequence, 2u);
}

TEST(TurnQueue, NobodyWaitsForEver) {
  TurnQueue queue;
  UnitState unit;
  for (const Priority priority : {Priority::kDemand, Priority::kHinted, Priority::kPreload}) {
    queue.Insert({priority, 0, &unit, UnitForm::kDecoded});
  }
  std::string order;
  for (int i = 0; i < 40; ++i) {
    const Priority next = queue.Next();
    order += "dhp"[static_cast<size_t>(next)];
    queue.CountStart(next);
  }
  EXPECT_EQ(order, "ddddddddhpddddddddhpddddddddhpddddddddhp");
}

TEST(TurnQueue, WhoeverFindsNoMemoryAtItsTurnWaitsForTheNext) {
  TurnQueue queue;
  UnitState unit;
  queue.Insert({Priority::kDemand, 0, &unit, UnitForm::kDecoded});
  queue.Insert({Priority::kPreload, 0, &unit, UnitForm::kDecoded});
  for (int i = 0; i < 8; ++i) queue.CountStart(Priority::kDemand);
  EXPECT_EQ(queue.Next(), Priority::kPreload);
  queue.CountRefusal(Priority::kPreload);
  EXPECT_EQ(queue.Next(), Priority::kDemand);
}

}  // namespace
}  // namespace ecf8
