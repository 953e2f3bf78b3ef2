#include "loader/engine/slot_grants.h"

#include <gtest/gtest.h>

#include <utility>

#include "loader/cache/cache_policy.h"

namespace ecf8 {
namespace {

TEST(SlotGrants, GivesWhatIsLeftIfItIsEnough) {
  SlotGrants grants(100);
  EXPECT_EQ(grants.Take(50, 70), 70u);
  EXPECT_EQ(grants.Take(31, 70), 0u);
  EXPECT_EQ(grants.Take(10, 70), 30u);
  EXPECT_EQ(grants.granted_bytes(), 100u);
  grants.Return(70);
  EXPECT_EQ(grants.free_bytes(), 70u);
}

TEST(SlotGrants, PinsTakeAllOrNothing) {
  SlotGrants grants(100);
  ASSERT_EQ(grants.Take(30, 30), 30u);
  EXPECT_EQ(grants.Pin({{1, 40}, {2, 45}}), 15u);
  EXPECT_FALSE(grants.IsPinned(1));
  EXPECT_EQ(grants.free_bytes(), 70u);
  EXPECT_EQ(grants.Pin({{1, 40}, {2, 30}}), 0u);
  EXPECT_EQ(grants.free_bytes(), 0u);
  grants.Unpin(1);
  EXPECT_EQ(grants.free_bytes(), 40u);
  EXPECT_TRUE(grants.IsPinned(2));
}

TEST(SlotGrants, WhatIsUnpinnedWhileItIsLeasedStaysTakenUntilThen) {
  SlotGrants grants(100);
  ASSERT_EQ(grants.Pin({{1, 40}}), 0u);
  PinUse first(grants, 1);
  PinUse second(grants, 1);
  EXPECT_TRUE(first);
  EXPECT_FALSE(PinUse(grants, 2));
  grants.Unpin(1);
  EXPECT_FALSE(grants.IsPinned(1));
  EXPECT_FALSE(PinUse(grants, 1)) << "nobody more";
  EXPECT_EQ(grants.free_bytes(), 60u);
  EXPECT_EQ(grants.holders().session_bytes, 40u);
  first = PinUse();
  EXPECT_EQ(grants.free_bytes(), 60u);
  PinUse moved = std::move(second);
  EXPECT_EQ(grants.Pin({{1, 40}}), 0u) << "again, and its bytes are there";
  EXPECT_EQ(grants.free_bytes(), 60u);
  grants.Unpin(1);
  moved = PinUse();
  EXPECT_EQ(grants.free_bytes(), 100u);
}

TEST(SlotGrants, SaysWhoHasWhat) {
  SlotGrants grants(1000);
  ASSERT_EQ(grants.Take(100, 100), 100u);
  ASSERT_EQ(grants.Pin({{CacheKey(0, 1), 10}, {CacheKey(3, 1), 20}, {CacheKey(3, 2), 30}}), 0u);
  const MemoryHolders holders = grants.holders();
  EXPECT_EQ(holders.session_bytes, 100u);
  EXPECT_EQ(holders.pinned_bytes.at(0), 10u);
  EXPECT_EQ(holders.pinned_bytes.at(3), 50u);
  const auto name = [](uint32_t model) { return std::string(1, static_cast<char>('a' + model)); };
  EXPECT_EQ(HoldersText(holders, name),
            "pins of model \"d\", 50 B; pins of model \"a\", 10 B; sessions' grants, 100 B");
}

TEST(HoldersText, NamesTheLargestAndCountsTheRest) {
  const auto name = [](uint32_t model) { return std::to_string(model); };
  EXPECT_EQ(HoldersText({}, name), "");
  EXPECT_EQ(HoldersText(
                {.pinned_bytes = {{0, 1}, {1, 5}, {2, 4}, {3, 3}, {4, 2}, {5, 0}}, .room_bytes = 7},
                name),
            "pins of model \"1\", 5 B; pins of model \"2\", 4 B; pins of model \"3\", 3 B; "
            "pins of other models, 3 B; room for the largest unit, 7 B");
}

}  // namespace
}  // namespace ecf8
