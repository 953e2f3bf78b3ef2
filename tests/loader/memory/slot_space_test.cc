#include "loader/memory/slot_space.h"

#include <gtest/gtest.h>

#include <vector>

namespace ecf8 {
namespace {

constexpr uint64_t kPage = kSlotPageBytes;

class SlotSpaceTest : public ::testing::Test {
 protected:
  // Memory that nobody touches.
  uint8_t* const base_ = reinterpret_cast<uint8_t*>(uintptr_t{1} << 40);
  SlotSpace space_{absl::Span<uint8_t>(base_, 8 * kPage + 12345)};
};

TEST_F(SlotSpaceTest, ALimitKeepsSlotsBelowItAndWaitsForThoseBehind) {
  const auto low = space_.Allocate(3 * kPage);
  const auto across = space_.Allocate(3 * kPage);
  ASSERT_TRUE(low.has_value() && across.has_value());
  EXPECT_EQ(space_.OffsetOf(*across), 3 * kPage);
  space_.SetLimit(4 * kPage);  // two pages of `across` are behind it, two more are free there
  EXPECT_EQ(space_.limit_bytes(), 4 * kPage);
  EXPECT_EQ(space_.free_bytes(), 0u);
  EXPECT_FALSE(space_.Allocate(kPage).has_value());
  space_.Free(*across);
  EXPECT_EQ(space_.free_bytes(), kPage);
  EXPECT_FALSE(space_.Allocate(2 * kPage).has_value());
  space_.Free(*low);
  space_.SetLimit(2 * kPage);
  EXPECT_EQ(space_.free_bytes(), 2 * kPage);
  space_.SetLimit(7 * kPage);
  EXPECT_EQ(space_.free_bytes(), 7 * kPage);
  const auto all = space_.Allocate(7 * kPage);
  ASSERT_TRUE(all.has_value());
  space_.SetLimit(3 * kPage);
  space_.SetLimit(8 * kPage);  // it was there all the time
  EXPECT_EQ(space_.free_bytes(), kPage);
  space_.Free(*all);
  EXPECT_EQ(space_.free_bytes(), 8 * kPage);
  EXPECT_TRUE(space_.Allocate(8 * kPage).has_value());
}

TEST_F(SlotSpaceTest, RoundsUpToPages) {
  EXPECT_EQ(space_.capacity_bytes(), 8 * kPage);
  EXPECT_EQ(SlotSpace::SlotBytes(0), 0u);
  EXPECT_EQ(SlotSpace::SlotBytes(1), kPage);
  EXPECT_EQ(SlotSpace::SlotBytes(kPage), kPage);
  EXPECT_EQ(SlotSpace::SlotBytes(kPage + 1), 2 * kPage);
  const auto slot = space_.Allocate(kPage + 1);
  ASSERT_TRUE(slot.has_value());
  EXPECT_EQ(slot->size(), 2 * kPage);
  EXPECT_EQ(space_.free_bytes(), 6 * kPage);
  space_.Free(*slot);
  EXPECT_EQ(space_.free_bytes(), 8 * kPage);
}

TEST_F(SlotSpaceTest, NothingTakesNothing) {
  const auto slot = space_.Allocate(0);
  ASSERT_TRUE(slot.has_value());
  EXPECT_TRUE(slot->empty());
  space_.Free(*slot);
  EXPECT_EQ(space_.free_bytes(), space_.capacity_bytes());
}

TEST_F(SlotSpaceTest, ASlotIsOneRunOrNone) {
  std::vector<absl::Span<uint8_t>> slots;
  for (int i = 0; i < 8; ++i) slots.push_back(*space_.Allocate(kPage));
  EXPECT_FALSE(space_.Allocate(1).has_value());
  for (int i = 0; i < 8; i += 2) space_.Free(slots[static_cast<size_t>(i)]);
  EXPECT_EQ(space_.free_bytes(), 4 * kPage);
  EXPECT_FALSE(space_.Allocate(2 * kPage).has_value());
  space_.Free(slots[1]);
  const auto slot = space_.Allocate(3 * kPage);
  ASSERT_TRUE(slot.has_value());
  EXPECT_EQ(slot->data(), base_);
}

TEST_F(SlotSpaceTest, ASlotCanBeHadAtAPlace) {
  const absl::Span<uint8_t> slot = space_.AllocateAt(5 * kPage, kPage + 1);
  EXPECT_EQ(slot.data(), base_ + 5 * kPage);
  EXPECT_EQ(slot.size(), 2 * kPage);
  EXPECT_EQ(space_.OffsetOf(slot), 5 * kPage);
  EXPECT_EQ(space_.free_bytes(), 6 * kPage);
  EXPECT_FALSE(space_.Allocate(6 * kPage).has_value());
  const absl::Span<uint8_t> before = space_.AllocateAt(0, 5 * kPage);
  const absl::Span<uint8_t> after = space_.AllocateAt(7 * kPage, kPage);
  EXPECT_EQ(space_.free_bytes(), 0u);
  for (const auto& each : {before, slot, after}) space_.Free(each);
  EXPECT_TRUE(space_.Allocate(8 * kPage).has_value());
}

TEST(SlotGenerations, EverySlotHasOneThatNoneHadBefore) {
  std::vector<SlotGeneration> generations(4);
  auto* const base = reinterpret_cast<uint8_t*>(uintptr_t{1} << 40);
  SlotSpace space({base, 4 * kPage}, absl::MakeSpan(generations));
  const auto pages = [&](absl::Span<uint8_t> slot) {
    return absl::MakeConstSpan(generations)
        .subspan(static_cast<size_t>(slot.data() - base) / kPage, slot.size() / kPage);
  };
  const auto first = space.Allocate(3 * kPage);
  ASSERT_TRUE(first.has_value());
  const uint64_t old_generation = pages(*first).front();
  EXPECT_GT(old_generation, 0u);
  EXPECT_TRUE(HaveGeneration(pages(*first), old_generation));
  // As long as nobody else has them, its bytes are what they were.
  space.Free(*first);
  EXPECT_TRUE(HaveGeneration(pages(*first), old_generation));
  const auto second = space.Allocate(kPage);
  const auto third = space.Allocate(3 * kPage);
  ASSERT_TRUE(second.has_value() && third.has_value());
  EXPECT_FALSE(HaveGeneration(pages(*first), old_generation));
  EXPECT_NE(pages(*second).front().load(), pages(*third).front().load());
  for (const SlotGeneration& generation : generations) EXPECT_NE(generation, old_generation);
  const uint64_t second_generation = pages(*second).front();
  space.Free(*second);
  const absl::Span<uint8_t> again = space.AllocateAt(space.OffsetOf(*second), kPage);
  EXPECT_NE(pages(again).front(), second_generation);
  EXPECT_TRUE(HaveGeneration(pages(*third), pages(*third).front()));
}

}  // namespace
}  // namespace ecf8
